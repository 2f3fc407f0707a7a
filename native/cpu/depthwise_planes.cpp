#include "cpu/depthwise_planes.h"

#include <algorithm>
#include <type_traits>

#include "cpu/depthwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/depthwise_planes.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/depthwise_lines-inl.h"
#include "cpu/loop-inl.h"
#include "cpu/plane_lines-inl.h"
#include "cpu/product_output-inl.h"
#include "cpu/reduce-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// to[row * kBlockColumns + i] = the sum over the runs at position i of a row of the plane. count is
// rounded up to whole lanes.
template <int64_t kRows>
HWY_INLINE void sum_plane_rows(const int64_t* runs, const float* weights, int64_t run_count,
                               const float* plane, int64_t plane_row, int64_t count, float* to) {
  for (int64_t i = 0; i < count; i += kLanes) {
    Lane sums[kRows];
#pragma GCC unroll 16
    for (int64_t row = 0; row < kRows; ++row)
      sums[row] = Lane(0.0f);
    for (int64_t run = 0; run < run_count; ++run) {
      const Lane weight(weights[run]);
      const float* from = plane + runs[run] + i;
#pragma GCC unroll 16
      for (int64_t row = 0; row < kRows; ++row)
        sums[row] = add_product(weight, load(from + row * plane_row), sums[row]);
    }
#pragma GCC unroll 16
    for (int64_t row = 0; row < kRows; ++row)
      store(sums[row], to + row * kBlockColumns + i);
  }
}

// The sums of one phase along a line, at some columns of some rows of positions.
HWY_INLINE void sum_positions(const PlanePlan& plan, const PlanePlan::Sum& sum,
                              const float* weights, const float* plane, int64_t rows, int64_t count,
                              float* to) {
  const int64_t* runs = plan.runs.data() + sum.first_run;
  weights += sum.first_run;
  if (rows == kDepthwiseRows) {
    sum_plane_rows<kDepthwiseRows>(runs, weights, sum.runs, plane, plan.plane_row, count, to);
    return;
  }
  for (; rows > 0; --rows, plane += plan.plane_row, to += kBlockColumns)
    sum_plane_rows<1>(runs, weights, sum.runs, plane, plan.plane_row, count, to);
}

// Some rows of positions of one phase of rows of the output.
struct PhaseRows {
  int64_t phase;
  int64_t rows;
  int64_t columns;  // positions of a row
  int64_t phases;   // of the outputs of a row
};

// The output at some columns of at most kDepthwiseRows rows of a channel. plane and output: at the
// first of them. bias: null, or for each of the rows.
template <class T>
HWY_INLINE void convolve_rows(const PlanePlan& plan, const float* weights, const float* plane,
                              const float* bias, const ProductOutput& output, const PhaseRows& rows,
                              int64_t column, int64_t count, const DepthwiseScratch& scratch) {
  for (int64_t i = 0; i < rows.phases; ++i) {
    sum_positions(plan, plan.sums[static_cast<size_t>(rows.phase * rows.phases + i)], weights,
                  plane, rows.rows, count, scratch.sums + i * kDepthwiseUnits);
  }
  const PlaneAxis& width = plan.shape.width;
  ProductOutput line = output;
  line.ldc = plan.shape.height.out_stride * width.out;
  if (rows.phases == 1) {
    finish_rows<T>(scratch.sums, bias, line, rows.rows, count);
    return;
  }
  const int64_t outputs = std::min(rows.phases * count, width.out - rows.phases * column);
  for (int64_t row = 0; row < rows.rows; ++row) {
    put_together(scratch.line, scratch.sums + row * kBlockColumns, kDepthwiseUnits, rows.phases,
                 outputs);
    finish_rows<T>(scratch.line, bias, line, 1, outputs);
    line.c = static_cast<T*>(line.c) + line.ldc;
  }
}

// The outputs of some rows of a channel by lines, from their first inputs on. output: of the first row.
template <class T>
HWY_INLINE void convolve_by_lines(const DepthwiseLines& lines, const float* weights,
                                  const float* plane, const ProductOutput& output, int64_t rows,
                                  int64_t columns) {
  float bias_buffer[kLanes] = {};
  const float* const bias = widen_bias(output, 1, 1, bias_buffer);
  const Lane added(bias_buffer[0]);
  T* const first = static_cast<T*>(output.c);
  // The rest of a cache line would come rows later.
  constexpr bool kIsLine = kLanes * static_cast<int64_t>(sizeof(T)) == 64;
  const bool streams = kIsLine && row_streams(output, first, columns);
  for_lanes(columns, [&](int64_t i, auto part) NAMP_LANES {
    T* const out = first + i;
    convolve_lines(lines, weights, plane + i, rows, [&](int64_t row, Lane sum) NAMP_LANES {
      if (bias != nullptr) sum = sum + added;
      sum = activate(sum, output.activation);
      if (streams) {
        stream(sum, out + row * columns, part);
      } else {
        store(sum, out + row * columns, part);
      }
    });
  });
}

// The outputs of a phase of rows of a channel from its planes. output: the phase's first row.
template <class T>
HWY_INLINE void convolve_phase(const PlanePlan& plan, const float* weights, const float* planes,
                               const ProductOutput& output, const PhaseRows& all,
                               const DepthwiseScratch& scratch) {
  const int64_t out_row = plan.shape.height.out_stride * plan.shape.width.out;
  float bias[kDepthwiseRows + kLanes];
  const bool has_bias = output.bias != nullptr;
  if (has_bias) std::fill_n(bias, kDepthwiseRows, widen_bias(output, 1, 1, bias)[0]);
  in_pieces(0, all.rows, kDepthwiseRows, [&](int64_t row, int64_t some) NAMP_LANES {
    in_pieces(0, all.columns, kBlockColumns, [&](int64_t column, int64_t count) NAMP_LANES {
      ProductOutput part = output;
      part.c = static_cast<T*>(output.c) + row * out_row + column * plan.shape.width.out_stride;
      convolve_rows<T>(plan, weights, planes + row * plan.plane_row + column,
                       has_bias ? bias : nullptr, part, {all.phase, some, all.columns, all.phases},
                       column, count, scratch);
    });
  });
}

HWY_NOINLINE void convolve_some(const DepthwisePlanes& planes, int64_t channels,
                                const float* weights, const void* input,
                                const ProductOutput& output, const DepthwiseScratch& scratch) {
  const PlanePlan& plan = planes.plan;
  const PlaneAxis& height = plan.shape.height;
  const PlaneAxis& width = plan.shape.width;
  const int64_t pixels = height.in * width.in;
  const int64_t units = plan.plane_units();
  const auto runs = static_cast<int64_t>(plan.runs.size());
  PhaseRows rows{0, 0, width.positions(), width.written_phases()};
  with_element(output.dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    in_pieces(0, height.positions(), plan.band, [&](int64_t first, int64_t band) NAMP_LANES {
      for (int64_t i = 0; i < channels; ++i) {
        fill_planes(plan, static_cast<const T*>(input) + i * pixels, first, band + height.halo,
                    scratch.planes + i * units);
      }
      for (rows.phase = 0; rows.phase < height.written_phases(); ++rows.phase) {
        rows.rows = std::min(band, height.positions(rows.phase) - first);
        const int64_t at = (first * height.out_stride + rows.phase) * width.out;
        for (int64_t i = 0; i < channels; ++i) {
          const float* const of_channel = weights + i * runs;
          const float* const from = scratch.planes + i * units;
          if (planes.lines.fit) {
            convolve_by_lines<T>(planes.lines, of_channel, from, part_of(output, i, at), rows.rows,
                                 rows.columns);
          } else {
            convolve_phase<T>(plan, of_channel, from, part_of(output, i, at), rows, scratch);
          }
        }
      }
    });
  });
}

// Adds to the sums of some taps, from a run on: the products of a tap's inputs in the plane with the
// gradients of the output.
template <int64_t kTaps, class T>
HWY_INLINE void sum_taps(const PlanePlan& plan, int64_t run, const float* plane, const T* gradient,
                         int64_t rows, float* sums) {
  Lane products[kTaps];
#pragma GCC unroll 16
  for (int64_t tap = 0; tap < kTaps; ++tap)
    products[tap] = Lane(0.0f);
  const int64_t columns = plan.shape.width.out;
  const float* from[kTaps];
  for (int64_t tap = 0; tap < kTaps; ++tap)
    from[tap] = plane + plan.runs[static_cast<size_t>(run + tap)];
  // Two rows at a time: where each tap begins is then read half as often.
  const auto add = [&](int64_t row, auto count) NAMP_LANES {
    constexpr int64_t kRows = decltype(count)::value;
    const int64_t at = row * plan.plane_row;
    const T* const factors = gradient + row * columns;
    for_lanes(columns, [&](int64_t i, auto part) NAMP_LANES {
      Lane factor[kRows];
#pragma GCC unroll 2
      for (int64_t r = 0; r < kRows; ++r)
        factor[r] = load(factors + r * columns + i, part);
        // What lies after the last position may be no number.
#pragma GCC unroll 16
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        const float* const in = from[tap] + at + i;
#pragma GCC unroll 2
        for (int64_t r = 0; r < kRows; ++r) {
          const Lane x = keep(load(in + r * plan.plane_row), Lane(0.0f), part);
          products[tap] = add_product(x, factor[r], products[tap]);
        }
      }
    });
  };
  int64_t row = 0;
  for (; row + 2 <= rows; row += 2)
    add(row, std::integral_constant<int64_t, 2>{});
  if (row < rows) add(row, std::integral_constant<int64_t, 1>{});
  for (int64_t tap = 0; tap < kTaps; ++tap)
    sums[plan.taps[static_cast<size_t>(run + tap)]] += reduce_lane(products[tap], Plus());
}

// The same of all taps by lines. sums: of the channel.
template <class T>
HWY_INLINE void sum_by_lines(const DepthwiseLines& lines, const float* plane, const T* gradient,
                             int64_t rows, int64_t columns, float* sums) {
  Lane products[DepthwiseLines::kTaps];
#pragma GCC unroll 9
  for (Lane& product : products)
    product = Lane(0.0f);
  for_lanes(columns, [&](int64_t i, auto part) NAMP_LANES {
    multiply_lines(lines, plane + i, gradient + i, columns, rows, part, products);
  });
#pragma GCC unroll 9
  for (int64_t i = 0; i < DepthwiseLines::kTaps; ++i)
    sums[lines.taps[i]] += reduce_lane(products[i], Plus());
}

HWY_NOINLINE void sum_weights(const DepthwisePlanes& planes, int64_t channels, const void* input,
                              const void* gradient, namp_dtype dtype, float* sums, float* memory) {
  const PlanePlan& plan = planes.plan;
  const PlaneAxis& height = plan.shape.height;
  const PlaneAxis& width = plan.shape.width;
  const int64_t units = plan.plane_units();
  const auto taps = static_cast<int64_t>(plan.taps.size());
  with_element(dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    in_pieces(0, height.out, plan.band, [&](int64_t first, int64_t rows) NAMP_LANES {
      for (int64_t i = 0; i < channels; ++i) {
        fill_planes(plan, static_cast<const T*>(input) + i * height.in * width.in, first,
                    rows + height.halo, memory + i * units);
      }
      for (int64_t i = 0; i < channels; ++i) {
        const T* from = static_cast<const T*>(gradient) + (i * height.out + first) * width.out;
        const float* plane = memory + i * units;
        if (planes.lines.fit) {
          sum_by_lines(planes.lines, plane, from, rows, width.out, sums + i * taps);
          continue;
        }
        int64_t tap = 0;
        for (; tap + kDepthwiseTaps <= taps; tap += kDepthwiseTaps)
          sum_taps<kDepthwiseTaps>(plan, tap, plane, from, rows, sums + i * taps);
        for (; tap < taps; ++tap)
          sum_taps<1>(plan, tap, plane, from, rows, sums + i * taps);
      }
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(convolve_some);
NAMP_SIMD_TABLE(sum_weights);

// Units of the planes that stay in the first-level cache beside what is read and written.
constexpr int64_t kCachedUnits = int64_t{1} << 12;

}  // namespace

DepthwisePlanes::DepthwisePlanes(const PlaneShape& shape)
    : plan(shape, nullptr, 1, kCachedUnits),
      lines(plan),
      channels_at_once(std::clamp<int64_t>(kCachedUnits / plan.plane_units(), 1, 8)) {}

void convolve_channels(namp_simd simd, const DepthwisePlanes& planes, int64_t channels,
                       const float* weights, const void* input, const ProductOutput& output,
                       const DepthwiseScratch& scratch) {
  convolve_some_by_simd(simd)(planes, channels, weights, input, output, scratch);
}

void sum_channel_weights(namp_simd simd, const DepthwisePlanes& planes, int64_t channels,
                         const void* input, const void* gradient, namp_dtype dtype, float* sums,
                         float* memory) {
  sum_weights_by_simd(simd)(planes, channels, input, gradient, dtype, sums, memory);
}

}  // namespace namp
#endif
