// How a convolution is computed from planes. A plane is a copy of one channel of an image with the
// padding around it, as wide as the output and the kernel together. For each tap of the kernel, the
// inputs of all outputs lie in it one after the other, only shifted: a run. So the planes of all
// channels are the matrix of a tap's inputs, which tiles read in place. Positions at the end of a
// plane's rows that are no outputs are computed too, and left out.
//
// Where many channels of the output read it, the matrix is copied together in panels before it is
// multiplied, without those positions, for several images and for a part of the sum at a time. Then
// weights are read where they are, and so are images without padding and stride.
//
// With a stride a plane has a part for each phase, which is an input's place modulo the stride: a
// tap reads one phase, where the inputs of neighbouring outputs are neighbours again. The gradient
// of the inputs is such a convolution of the gradient of the outputs; there it is the outputs that
// have phases, each with taps of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/convolution.h"
#include "cpu/pair_tiles.h"

namespace namp {

// One dimension: element out_stride * i + written of the output is the sum over its taps of element
// in_stride * (i + shift) + phase - pad of the input.
struct PlaneAxis {
  struct Tap {
    int64_t read;  // which of the phases
    int64_t shift;
    int64_t written;
  };

  int64_t in;
  int64_t in_stride;
  int64_t pad;
  int64_t out;
  int64_t out_stride;
  std::vector<int64_t> phases;  // of the input that a tap reads
  std::vector<Tap> taps;
  int64_t halo;  // the largest shift

  int64_t written_phases() const;
  // Outputs of a phase. The first has the most.
  int64_t positions(int64_t written = 0) const;
  int64_t width() const { return positions() + halo; }
  // Whether a tap writes a phase.
  bool has_taps(int64_t written) const;
};

// The convolution of one group.
struct PlaneShape {
  int64_t channels;
  int64_t out_channels;
  PlaneAxis height;
  PlaneAxis width;
};

PlaneShape planes_of_input(const ConvolutionShape& shape);
PlaneShape planes_of_output_gradient(const ConvolutionShape& shape);

// That of a 1 x 1 kernel without stride and padding, whose images may be taken for rows.
PlaneShape as_one_row(const PlaneShape& shape);

// A unit is a float, or a pair of bfloat16 of two channels.
struct PlanePlan {
  // The part of a line of the input that a phase's line has: from its element at left on.
  struct Line {
    int64_t left;
    int64_t first;
    int64_t count;
  };
  // The taps of a phase of the output.
  struct Sum {
    int64_t first_run;
    int64_t runs;
  };

  // Units of a band's planes that stay in a core's second-level cache.
  static constexpr int64_t kPlaneUnits = int64_t{1} << 18;

  // pairs: null where the operands are widened. most_images: at least 1. most_units: of a band's planes.
  PlanePlan(const PlaneShape& shape, const PairTiles* pairs, int64_t most_images,
            int64_t most_units = kPlaneUnits);

  // Reads images where they are, which have planes of image_units elements each.
  void read_in_place(int64_t image_units, int64_t most_images);

  // Whether images may be read where they are: panels are copied of them, and they are their own planes.
  bool may_read_in_place() const;

  // Whether the planes fit into the caches.
  bool fits_caches() const;

  // Whether products over planes are worth it: they fit, and most of what is computed is an output.
  bool fits() const;

  // Positions of some rows of some images, one after the other.
  int64_t positions(int64_t image_count, int64_t rows) const;

  // Units of the planes of a band.
  int64_t plane_units() const;
  // Phases of the output whose sums a block has: those along a line, of as many phases of the rows as are
  // summed at once.
  int64_t block_phases() const;
  // Units that a group's weights take where they are laid out: out_channels rows of weight_row units.
  int64_t weight_units() const;
  // Floats of the sums of one phase of a block.
  int64_t sum_units() const;
  // Floats of a line of the output before it is stored.
  int64_t line_units() const;
  // Floats from one piece of a tile's weights to the next: pieces of the taps of some channels.
  int64_t tile_row(int64_t channels) const;
  // Floats of a block's panels, and of a tile of weights.
  int64_t panel_units() const;
  int64_t tile_units() const;
  // Of one worker: planes, then a block's sums of each phase, its bias, a line, its panels, a
  // tile of weights.
  int64_t scratch_bytes() const;

  PlaneShape shape;
  const PairTiles* pairs;
  int64_t kernel;             // taps; some may write no output
  int64_t depth;              // units of a run: of all channels
  int64_t plane_row;          // units of a row of a plane
  bool packs;                 // whether panels are copied together before they are multiplied
  bool in_place = false;      // whether they are of the images, not of planes
  int64_t channels_at_once;   // of the input that panels have
  int64_t rows_phases;        // phases of the output's rows that are summed at once
  int64_t row_positions;      // positions of a row that are computed
  int64_t row_outputs;        // those of them that are stored
  int64_t band;               // rows of positions whose planes are made at once
  bool is_whole;              // whether planes are always made of all rows of an image
  int64_t images;             // images whose planes are made at once
  int64_t phase_plane;        // units from one phase to the next
  int64_t image_plane;        // units from one image to the next
  int64_t plane;              // units from one plane to the next
  int64_t weight_row;         // units of an output channel: depth for each run, and unused ones
  int64_t block_channels;     // channels of the output in a block of sums, a multiple of kPairRows
  std::vector<Line> lines;    // of the phases along a line
  std::vector<Sum> sums;      // of each phase of the output, row by row
  std::vector<int64_t> runs;  // where each tap begins in a plane
  std::vector<int64_t> taps;  // which one of the kernel it is
};

}  // namespace namp
