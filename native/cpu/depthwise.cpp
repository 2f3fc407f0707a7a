// Convolution of groups of one channel, in and out (depthwise), as networks for small machines have
// it, without a library. Such a group fills no tile of a product: it has few terms for each output.
// They are summed row by row from planes (plane_plan.h), in float32.
#include <algorithm>
#include <type_traits>

#include "cpu/column_sums.h"
#include "cpu/convolution.h"
#include "cpu/cpu_backend.h"
#include "cpu/depthwise.h"
#include "cpu/depthwise_lanes.h"
#include "cpu/element.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/depthwise.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
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

// Some channels of one image, forward or backward to the image as the plan is. weights: of each run
// of a channel. output: of the first channel.
HWY_NOINLINE void convolve_channels(const PlanePlan& plan, int64_t channels, const float* weights,
                                    const void* input, const ProductOutput& output,
                                    const DepthwiseScratch& scratch) {
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
          convolve_phase<T>(plan, weights + i * runs, scratch.planes + i * units,
                            part_of(output, i, at), rows, scratch);
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

// Adds the gradients of the weights of some channels from one image to sums [channels, kernel_h,
// kernel_w]. planes: cleared.
HWY_NOINLINE void sum_channel_weights(const PlanePlan& plan, int64_t channels, const void* input,
                                      const void* gradient, namp_dtype dtype, float* sums,
                                      float* planes) {
  const PlaneAxis& height = plan.shape.height;
  const PlaneAxis& width = plan.shape.width;
  const int64_t units = plan.plane_units();
  const auto taps = static_cast<int64_t>(plan.taps.size());
  with_element(dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    in_pieces(0, height.out, plan.band, [&](int64_t first, int64_t rows) NAMP_LANES {
      for (int64_t i = 0; i < channels; ++i) {
        fill_planes(plan, static_cast<const T*>(input) + i * height.in * width.in, first,
                    rows + height.halo, planes + i * units);
      }
      for (int64_t i = 0; i < channels; ++i) {
        const T* from = static_cast<const T*>(gradient) + (i * height.out + first) * width.out;
        const float* plane = planes + i * units;
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

NAMP_SIMD_TABLE(convolve_channels);
NAMP_SIMD_TABLE(sum_channel_weights);

// Channels whose planes are made before the first is read, which else waits for what was just
// written; all stay in the first-level cache.
int64_t channels_at_once(const PlanePlan& plan) {
  return std::clamp<int64_t>((int64_t{1} << 12) / plan.plane_units(), 1, 8);
}

int64_t planes_bytes(const PlanePlan& plan) {
  return align(channels_at_once(plan) * plan.plane_units() * 4);
}

void clear_channels(const PlanePlan& plan, float* planes) {
  std::fill_n(planes, channels_at_once(plan) * plan.plane_units(), 0.0f);
}

// Scratch memory of one worker: the weights of some channels in the order of the runs, and the rest.
struct WorkerMemory {
  explicit WorkerMemory(const PlanePlan& plan)
      : weights_bytes(align(channels_at_once(plan) * static_cast<int64_t>(plan.runs.size()) * 4)),
        sums(plan.shape.width.written_phases() * kDepthwiseUnits),
        bytes(weights_bytes + planes_bytes(plan) + align((sums + plan.line_units()) * 4)),
        planes(planes_bytes(plan)) {}

  DepthwiseScratch at(char* memory) const {
    auto* of_planes = reinterpret_cast<float*>(memory + weights_bytes);
    auto* of_sums = reinterpret_cast<float*>(memory + weights_bytes + planes);
    return {of_planes, of_sums, of_sums + sums};
  }

  int64_t weights_bytes;
  int64_t sums;
  int64_t bytes;
  int64_t planes;
};

// Calls body(item, count) for items first to last, which are channels of images: some of one image at
// a time.
template <class Body>
void for_channels(int64_t first, int64_t last, int64_t channels, int64_t at_once, Body&& body) {
  for (int64_t item = first; item < last;) {
    const int64_t count = std::min({at_once, last - item, channels - item % channels});
    body(item, count);
    item += count;
  }
}

}  // namespace

bool CpuBackend::convolve_depthwise(const namp_conv2d_args& args, ConvolutionPass pass,
                                    namp_stream stream) {
  const ConvolutionShape shape(args);
  if (shape.group_in != 1 || shape.group_out != 1) return false;
  if (DepthwiseLanes::fit(shape, args.groups, pass)) {
    convolve_by_lanes(args, pass, stream);
    return true;
  }
  const bool backward = pass == ConvolutionPass::kBackwardData;
  const PlanePlan plan(backward ? planes_of_output_gradient(shape) : planes_of_input(shape),
                       nullptr, 1);
  if (!plan.fits_caches()) return false;
  if (pass == ConvolutionPass::kBackwardWeights) {
    sum_depthwise_weights(args, plan, stream);
    return true;
  }
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const auto runs = static_cast<int64_t>(plan.runs.size());
  const int64_t weights = args.groups * shape.taps;
  const int64_t wide_bytes = dtype == NAMP_FLOAT32 ? 0 : align(weights * 4);
  const WorkerMemory memory(plan);
  char* scratch = worker_scratch(1, wide_bytes + threads_.count() * memory.bytes, stream);
  const auto* wide = static_cast<const float*>(args.weight);
  if (wide_bytes > 0) {
    wide = reinterpret_cast<const float*>(scratch);
    cast(cell_of(scratch, NAMP_FLOAT32), cell_of(args.weight, dtype), weights, {}, stream);
  }
  const int64_t inputs = plan.shape.height.in * plan.shape.width.in;
  const int64_t outputs = plan.shape.height.out * plan.shape.width.out;
  const ProductOutput all = convolution_output(args, backward, outputs);
  const void* input = backward ? args.output_gradient : args.input;
  threads_.split(args.batch * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    char* mine = scratch + wide_bytes + worker * memory.bytes;
    auto* of_runs = reinterpret_cast<float*>(mine);
    const DepthwiseScratch rest = memory.at(mine);
    clear_channels(plan, rest.planes);
    for_channels(first, last, args.groups, channels_at_once(plan),
                 [&](int64_t item, int64_t count) {
                   const int64_t channel = item % args.groups;
                   for (int64_t i = 0; i < count; ++i) {
                     for (int64_t run = 0; run < runs; ++run) {
                       of_runs[i * runs + run] =
                           wide[(channel + i) * shape.taps + plan.taps[static_cast<size_t>(run)]];
                     }
                   }
                   ProductOutput output = all;
                   output.c = element(all.c, dtype, item * outputs);
                   if (all.bias != nullptr) output.bias = element(all.bias, dtype, channel);
                   convolve_channels_by_simd(simd_)(
                       plan, count, of_runs, element(input, dtype, item * inputs), output, rest);
                 });
    hwy::FlushStream();
  });
  return true;
}

// The batch is cut into pieces by its size alone, so that the bits do not depend on threads.
void CpuBackend::sum_depthwise_weights(const namp_conv2d_args& args, const PlanePlan& plan,
                                       namp_stream stream) {
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t weights = args.groups * shape.taps;
  const int64_t images = std::max<int64_t>(1, divide_up(args.batch, kDepthwisePieces));
  const int64_t pieces = std::max<int64_t>(1, divide_up(args.batch, images));
  const int64_t sums_bytes = align(pieces * weights * 4);
  const int64_t each = planes_bytes(plan);
  char* scratch = worker_scratch(1, sums_bytes + threads_.count() * each, stream);
  auto* sums = reinterpret_cast<float*>(scratch);
  threads_.split(pieces * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    auto* planes = reinterpret_cast<float*>(scratch + sums_bytes + worker * each);
    clear_channels(plan, planes);
    std::fill(sums + first * shape.taps, sums + last * shape.taps, 0.0f);
    for_channels(
        first, last, args.groups, channels_at_once(plan), [&](int64_t item, int64_t count) {
          const int64_t begin = item / args.groups * images;
          for (int64_t image = begin; image < std::min(args.batch, begin + images); ++image) {
            const int64_t index = image * args.groups + item % args.groups;
            sum_channel_weights_by_simd(simd_)(
                plan, count, element(args.input, dtype, index * shape.pixels),
                element(args.output_gradient, dtype, index * shape.positions), dtype,
                sums + item * shape.taps, planes);
          }
        });
  });
  add_blocks(threads_, simd_, sums, pieces, weights);
  cast(cell_of(args.weight_gradient, args.weight_gradient_dtype), cell_of(sums, NAMP_FLOAT32),
       weights, {}, stream);
}

}  // namespace namp
#endif
