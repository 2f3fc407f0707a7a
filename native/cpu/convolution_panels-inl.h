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
#include "cpu/pair_rows-inl.h"
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

// Some channels of the input, in units of the plan.
struct ChannelPiece {
  int64_t begin;
  int64_t count;
};

// Between panels: what is copied beyond a row is not the next panel's.
inline constexpr int64_t kPanelGap = kLanes;

// The inputs of a block's positions that some channels have for some runs: panels of a row for each run
// and channel, or pair of channels, b_panel apart. What lies after the last position is anything. planes
// of BFloat16 in a plan of pairs are the channels themselves.
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
  const bool pairs_up = std::is_same_v<T, BFloat16> && plan.pairs != nullptr;
  const int64_t unit = pairs_up ? 2 : 1;  // channels
  for (int64_t run = 0; run < runs.runs; ++run) {
    const T* from = planes + plan.runs[static_cast<size_t>(runs.first_run + run)] +
                    piece.begin * unit * plan.plane;
    for (int64_t i = 0; i < piece.count; ++i, from += unit * plan.plane, panels += kTileColumns) {
      const bool has_odd = (piece.begin + i) * unit + 1 < plan.shape.channels;
      for (const Part* part = parts; part < parts + part_count; ++part) {
        const T* in = from + part->from;
        float* out = panels + part->to;
        if constexpr (std::is_same_v<T, float>) {
          if (!plan.in_place) {
            copy_beyond(out, in, part->count);
            continue;
          }
        }
        if constexpr (std::is_same_v<T, BFloat16>) {
          if (pairs_up) {
            pair_up(out, in, has_odd ? in + plan.plane : nullptr, part->count);
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
HWY_NOINLINE void multiply_rows(TileOperands operands, const PairTiles* pairs, int64_t b_panel,
                                float* c, int64_t rows, int64_t columns, bool accumulate,
                                const WeightPieces& next) {
  const auto* a = static_cast<const float*>(operands.a);
  const int64_t panels = divide_up(columns, kTileColumns);
  for (int64_t panel = 0; panel < panels; ++panel, c += kTileColumns) {
    next.fetch(panel, panels);
    if (pairs != nullptr) {
      pairs->multiply(operands, b_panel, c, kBlockColumns, rows, kPairColumns, accumulate);
    } else {
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
    }
    operands.b = static_cast<const float*>(operands.b) + b_panel;
  }
}

// A group's weights as tiles read them: T is float, an element that is widened, or BFloat16Pair.
template <class T>
struct PanelWeights {
  using Element = std::conditional_t<std::is_same_v<T, BFloat16Pair>, BFloat16, T>;
  static constexpr int64_t kUnit = std::is_same_v<T, BFloat16Pair> ? 2 : 1;  // channels

  static_assert(HWY_TARGET != HWY_AVX3 || kTileColumns == kPairColumns);

  HWY_INLINE PanelWeights(const PlanePlan& plan, const PlaneWeights& given)
      : weights(given),
        kernel(plan.kernel),
        channels(plan.shape.channels),
        by_rows(given.row > given.channel),
        stride(by_rows ? given.row : given.channel) {
    // Not on few places of the first-level cache, on which all rows of a tile are read at once, or some
    // channels again for every tap.
    constexpr int64_t kFloatsApart = 1024;
    const bool spread =
        by_rows ? stride % (kFloatsApart * kUnit) != 0 : kernel == 1 || !share_places(stride);
    const bool are_pairs = by_rows && kernel == 1 && channels % 2 == 0;
    in_place = spread && (std::is_same_v<T, float> || (kUnit == 2 && are_pairs));
  }

  // Those of some rows and units.
  HWY_INLINE const Element* at(int64_t row, int64_t unit) const {
    return static_cast<const Element*>(weights.data) + row * weights.row +
           unit * kUnit * weights.channel;
  }

  // In memory: a row of the output has its weights of these channels one after the other, or a channel
  // those of the rows.
  HWY_INLINE WeightPieces pieces(int64_t row, int64_t rows, const ChannelPiece& piece) const {
    constexpr int64_t kSize = sizeof(Element);
    const int64_t some = std::min(piece.count * kUnit, channels - piece.begin * kUnit);
    const int64_t length = (by_rows ? some : rows) * kernel;
    return {reinterpret_cast<const char*>(at(row, piece.begin)), by_rows ? rows : some,
            length * kSize, stride * kSize};
  }

  // Laid out, in pieces piece_row apart.
  HWY_INLINE void lay_out(float* tile, int64_t piece_row, int64_t row, int64_t rows,
                          const ChannelPiece& piece) const {
    const Element* from = at(row, piece.begin);
    if constexpr (kUnit == 1) {
      widen_rows(tile, piece_row, from, stride, by_rows ? rows : piece.count,
                 (by_rows ? piece.count : rows) * kernel);
    } else {
      const int64_t some = std::min(piece.count * kUnit, channels - piece.begin * kUnit);
      if (by_rows) {
        for (int64_t i = 0; i < rows; ++i, tile += piece_row, from += stride)
          pair_channels(tile, from, kernel, some);
      } else {
        for (int64_t i = 0; i < some; i += 2, tile += piece_row, from += 2 * stride)
          pair_up(tile, from, i + 1 < some ? from + stride : nullptr, rows * kernel);
      }
    }
  }

  PlaneWeights weights;
  int64_t kernel;
  int64_t channels;
  bool by_rows;
  int64_t stride;
  bool in_place;
};

// The sums of some channels of the output at a block's positions: those of sums first to last of the
// plan, which lie sum_units apart. given: of the first channel.
template <class T>
HWY_INLINE void sum_by_panels(const PlanePlan& plan, const PlanePlan::Sum* first,
                              const PlanePlan::Sum* last, const PlaneWeights& given,
                              const void* planes, int64_t rows, const PositionBlock& block,
                              int64_t channels, float* sums, float* panels) {
  float* const tile = panels + plan.panel_units();
  const PanelWeights<T> weights(plan, given);
  const PlanePlan::Sum& final = last[-1];
  const PlanePlan::Sum runs{first->first_run, final.first_run + final.runs - first->first_run};
  in_pieces(0, plan.depth, plan.channels_at_once, [&](int64_t begin, int64_t depth) NAMP_LANES {
    const ChannelPiece piece{begin, depth};
    const int64_t b_run = depth * kTileColumns;
    const int64_t b_panel = runs.runs * b_run + kPanelGap;
    if (plan.in_place) {
      using Element = typename PanelWeights<T>::Element;
      pack_panels(plan, runs, static_cast<const Element*>(planes), rows, block, piece, panels,
                  b_panel);
    } else {
      pack_panels(plan, runs, static_cast<const float*>(planes), rows, block, piece, panels,
                  b_panel);
    }
    const bool by_rows = weights.by_rows;
    const int64_t piece_row = weights.in_place ? weights.stride / PanelWeights<T>::kUnit
                                               : plan.tile_row(by_rows ? depth : kTileRows);
    TileOperands operands{};
    operands.a_row = by_rows ? piece_row : plan.kernel;
    operands.a_depth = by_rows ? plan.kernel : piece_row;
    operands.b_depth = kTileColumns;
    operands.depth = depth;
    in_pieces(0, channels, kTileRows, [&](int64_t row, int64_t count) NAMP_LANES {
      operands.a = weights.at(row, begin);
      if (!weights.in_place) {
        operands.a = tile;
        weights.lay_out(tile, piece_row, row, count, piece);
      }
      const int64_t after = std::clamp<int64_t>(channels - row - kTileRows, 0, kTileRows);
      WeightPieces next = weights.pieces(row + kTileRows, after, piece);
      for (const PlanePlan::Sum* sum = first; sum < last; ++sum) {
        if (sum->runs == 0) continue;  // zeros, by clear_scratch
        operands.b = panels + (sum->first_run - first->first_run) * b_run;
        operands.runs = sum->runs;
        operands.a_runs = plan.taps.data() + sum->first_run;
        multiply_rows(operands, plan.pairs, b_panel,
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
