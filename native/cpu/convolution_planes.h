// Convolution with stride 1 as products without columns. A plane is a copy of one channel of an
// image with the padding around it, as wide as the output and the kernel together. For each tap of
// the kernel, the inputs of all outputs lie in it one after the other, only shifted: a matrix whose
// rows are the channels, which the tiles read in place. Positions at the end of a plane's rows that
// are no outputs are computed too, and left out.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/block_gemm.h"
#include "cpu/convolution.h"
#include "cpu/pair_tiles.h"
#include "nativeamp.h"

namespace namp {

// The convolution of one group. That of the gradient of an output is one too, with the kernel
// turned around.
struct PlaneShape {
  int64_t channels;
  int64_t in_h;
  int64_t in_w;
  int64_t pad_h;  // below 0: the first -pad_h rows of the input are not read
  int64_t pad_w;
  int64_t kernel_h;
  int64_t kernel_w;
  int64_t dilation_h;
  int64_t dilation_w;
  int64_t out_channels;
  int64_t out_h;
  int64_t out_w;

  int64_t taps() const { return kernel_h * kernel_w; }
  int64_t halo_h() const { return dilation_h * (kernel_h - 1); }
  int64_t halo_w() const { return dilation_w * (kernel_w - 1); }
  int64_t width() const { return out_w + halo_w(); }
};

PlaneShape planes_of_input(const ConvolutionShape& shape);
PlaneShape planes_of_output_gradient(const ConvolutionShape& shape);

// How a convolution is computed. A unit is a float, or a pair of bfloat16 of two channels.
struct PlanePlan {
  // pairs: null where the operands are widened.
  PlanePlan(const PlaneShape& shape, const PairTiles* pairs);

  // Whether it is worth it: planes fit into the caches, and most of what is computed is an output.
  bool fits() const;

  // Units of the planes of a band.
  int64_t plane_units() const;
  // Units that a group's weights take: out_channels rows of weight_row units.
  int64_t weight_units() const;
  // Of one worker: planes, then blocks of sums and bias.
  int64_t scratch_bytes() const;

  PlaneShape shape;
  const PairTiles* pairs;
  int64_t depth;              // units of a tap: of all channels
  int64_t band;               // rows of the output whose planes are made at once
  int64_t plane;              // units from one plane to the next
  int64_t weight_row;         // units of an output channel: depth for each tap
  std::vector<int64_t> runs;  // where each tap begins in a plane
};

// Makes a worker's scratch memory ready for its first image.
void clear_planes(const PlanePlan& plan, void* scratch);

// The outputs of one image. weights: rows of the plan's units.
void convolve_planes(namp_simd simd, const PlanePlan& plan, const void* weights, const void* input,
                     namp_dtype dtype, const ProductOutput& output, void* scratch);

// The inputs of the positions of some rows of the output as a matrix: a row of columns for each
// channel and tap, as the weights lie, of the input's own elements. planes: plan.plane_units()
// floats, cleared; columns: kColumnsSlack bytes more than the matrix.
inline constexpr int64_t kColumnsSlack = 64;
void gather_columns(namp_simd simd, const PlanePlan& plan, const void* input, namp_dtype dtype,
                    int64_t first, int64_t rows, void* planes, void* columns);

}  // namespace namp
