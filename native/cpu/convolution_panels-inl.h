// Sums of a convolution by panels (plane_plan.h): a part of the matrix is copied together for all
// positions of a block, and tiles of rows of the weights, widened where they are read, go over it. So
// weights are read once a block in the order of memory, and never laid out as a whole.
#if defined(NAMP_CPU_CONVOLUTION_PANELS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_CONVOLUTION_PANELS_INL_H
#undef NAMP_CPU_CONVOLUTION_PANELS_INL_H
#else
#define NAMP_CPU_CONVOLUTION_PANELS_INL_H
#endif

#include <algorithm>
#include <type_traits>

#include "cpu/convolution_planes.h"
#include "cpu/gemm_tile-inl.h"
#include "cpu/loop-inl.h"
#include "cpu/plane_lines-inl.h"
#include "cpu/product_output-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Copies of words, whole vectors at a time: what lies after the last one is overwritten.
template <class Word>
HWY_INLINE void copy_beyond(Word* to, const Word* from, int64_t count) {
  const hn::ScalableTag<Word> tag;
  for (int64_t i = 0; i < count; i += static_cast<int64_t>(hn::Lanes(tag)))
    hn::StoreU(hn::LoadU(tag, from + i), tag, to + i);
}

// Some channels of the input.
struct ChannelPiece {
  int64_t begin;
  int64_t count;
};

// Between panels: what is copied beyond a row is not the next panel's.
inline constexpr int64_t kPanelGap = kLanes;

// The inputs of a block's positions that some channels have for some runs: panels of a row for each run
// and channel, b_panel apart. What lies after the last position is anything.
template <class T>
HWY_INLINE void pack_panels(const PlanePlan& plan, const PlanePlan::Sum& runs, const T* planes,
                            int64_t rows, const PositionBlock& block, const ChannelPiece& piece,
                            float* panels, int64_t b_panel) {
  struct Part {
    int64_t from;
    int64_t to;
    int64_t count;
  };
  Part parts[kBlockColumns];
  int64_t part_count = 0;
  in_pieces(0, block.count, kTileColumns, [&](int64_t begin, int64_t columns) NAMP_LANES {
    float* const panel = panels + begin / kTileColumns * b_panel;
    in_rows({block.begin + begin, columns}, rows, plan.row_positions,
            [&](int64_t image, int64_t row, int64_t column, int64_t at, int64_t some) NAMP_LANES {
              parts[part_count++] = {image * plan.image_plane + row * plan.plane_row + column,
                                     panel - panels + at, some};
            });
  });
  for (int64_t run = 0; run < runs.runs; ++run) {
    const T* from =
        planes + plan.runs[static_cast<size_t>(runs.first_run + run)] + piece.begin * plan.plane;
    for (int64_t i = 0; i < piece.count; ++i, from += plan.plane, panels += kTileColumns) {
      for (const Part* part = parts; part < parts + part_count; ++part) {
        const T* in = from + part->from;
        float* out = panels + part->to;
        if constexpr (std::is_same_v<T, float>) {
          if (!plan.in_place) {
            copy_beyond(out, in, part->count);
            continue;
          }
        }
        map(
            out, part->count, [](Lane x) NAMP_LANES { return x; }, in);
      }
    }
  }
}

// A tile's weights in memory.
struct WeightPieces {
  const char* first;
  int64_t pieces;
  int64_t bytes;   // of one
  int64_t stride;  // bytes from one to the next

  // Fetches one of some parts of them into the caches.
  HWY_INLINE void fetch(int64_t part, int64_t parts) const {
    for (int64_t i = pieces * part / parts; i < pieces * (part + 1) / parts; ++i) {
      for (int64_t at = 0; at < bytes; at += 64)
        hwy::Prefetch(first + i * stride + at);
    }
  }
};

// Its own function: inlined twice, the tiles take other registers and more time. The rows are at most a
// tile's. Panels lie b_panel apart. The next tile's weights are fetched along.
HWY_NOINLINE void multiply_rows(TileOperands operands, int64_t b_panel, float* c, int64_t rows,
                                int64_t columns, bool accumulate, const WeightPieces& next) {
  const auto* a = static_cast<const float*>(operands.a);
  const int64_t panels = divide_up(columns, kTileColumns);
  for (int64_t panel = 0; panel < panels; ++panel, c += kTileColumns) {
    next.fetch(panel, panels);
    for_tile_rows(rows, [&](int64_t row, auto count) NAMP_LANES {
      operands.a = a + row * operands.a_row;
      if (columns - panel * kTileColumns > kLanes) {
        multiply_tile<decltype(count)::value>(operands, c + row * kBlockColumns, kBlockColumns,
                                              accumulate);
      } else {
        multiply_tile<decltype(count)::value, 1>(operands, c + row * kBlockColumns, kBlockColumns,
                                                 accumulate);
      }
    });
    operands.b = static_cast<const float*>(operands.b) + b_panel;
  }
}

// Whether tiles read weights where they are, which lie in pieces this far apart: not on few places of the
// first-level cache, on which all rows of a tile are read at once, or one channel after the other.
template <class T>
HWY_INLINE bool has_tiles_in_place(const PlaneWeights& weights) {
  if (!std::is_same_v<T, float>) return false;
  return weights.row <= weights.channel || weights.row % 1024 != 0;
}

// The sums of some channels of the output at a block's positions: those of sums first to last of the
// plan, which lie sum_units apart. weights: of the first channel.
template <class T>
HWY_INLINE void sum_by_panels(const PlanePlan& plan, const PlanePlan::Sum* first,
                              const PlanePlan::Sum* last, const PlaneWeights& weights,
                              const void* planes, int64_t rows, const PositionBlock& block,
                              int64_t channels, float* sums, float* panels) {
  float* const tile = panels + plan.panel_units();
  const bool by_rows = weights.row > weights.channel;
  const bool in_place = has_tiles_in_place<T>(weights);
  const int64_t stride = by_rows ? weights.row : weights.channel;
  const PlanePlan::Sum& final = last[-1];
  const PlanePlan::Sum runs{first->first_run, final.first_run + final.runs - first->first_run};
  in_pieces(0, plan.depth, plan.channels_at_once, [&](int64_t begin, int64_t depth) NAMP_LANES {
    const int64_t b_run = depth * kTileColumns;
    const int64_t b_panel = runs.runs * b_run + kPanelGap;
    if (plan.in_place) {
      pack_panels(plan, runs, static_cast<const T*>(planes), rows, block, {begin, depth}, panels,
                  b_panel);
    } else {
      pack_panels(plan, runs, static_cast<const float*>(planes), rows, block, {begin, depth},
                  panels, b_panel);
    }
    const T* const from = static_cast<const T*>(weights.data) + begin * weights.channel;
    // A row of the output has its weights of these channels one after the other, or a channel those of
    // the tile's rows.
    const auto pieces_of = [&](int64_t row, int64_t count) NAMP_LANES {
      constexpr int64_t kSize = sizeof(T);
      const int64_t length = (by_rows ? depth : count) * plan.kernel;
      return WeightPieces{reinterpret_cast<const char*>(from + row * weights.row),
                          by_rows ? count : depth, length * kSize, stride * kSize};
    };
    const int64_t piece_row = in_place ? stride : plan.tile_row(by_rows ? depth : kTileRows);
    TileOperands operands{};
    operands.a_row = by_rows ? piece_row : plan.kernel;
    operands.a_depth = by_rows ? plan.kernel : piece_row;
    operands.b_depth = kTileColumns;
    operands.depth = depth;
    in_pieces(0, channels, kTileRows, [&](int64_t row, int64_t count) NAMP_LANES {
      const T* const own = from + row * weights.row;
      operands.a = own;
      if (!in_place) {
        operands.a = tile;
        widen_rows(tile, piece_row, own, stride, by_rows ? count : depth,
                   (by_rows ? depth : count) * plan.kernel);
      }
      const int64_t after = std::clamp<int64_t>(channels - row - kTileRows, 0, kTileRows);
      WeightPieces next = pieces_of(row + kTileRows, after);
      for (const PlanePlan::Sum* sum = first; sum < last; ++sum) {
        if (sum->runs == 0) continue;  // zeros, by clear_scratch
        operands.b = panels + (sum->first_run - first->first_run) * b_run;
        operands.runs = sum->runs;
        operands.a_runs = plan.taps.data() + sum->first_run;
        multiply_rows(operands, b_panel,
                      sums + (sum - first) * plan.sum_units() + row * kBlockColumns, count,
                      block.count, begin > 0, next);
        next.pieces = 0;
      }
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
