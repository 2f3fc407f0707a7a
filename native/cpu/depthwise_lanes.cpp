#include "cpu/depthwise_lanes.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "cpu/depthwise.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/depthwise_lanes.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/product_output-inl.h"
#include "cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// out[i * kLaneChannels + channel] = in[channel * count + i], widened. rows has kBlockColumns floats
// for each channel.
template <class T>
HWY_INLINE void to_lanes(const T* in, int64_t channels, int64_t count, float* rows, float* out) {
  if constexpr (std::is_same_v<T, float>) {
    transpose(out, kLaneChannels, in, count, channels, count);
  } else {
    widen_rows(rows, kBlockColumns, in, count, channels, count);
    transpose(out, kLaneChannels, rows, kBlockColumns, channels, count);
  }
}

// The other way, as the output wants it.
template <class T>
HWY_INLINE void from_lanes(const float* in, const ProductOutput& output, int64_t channels,
                           int64_t count, float* rows) {
  transpose(rows, kBlockColumns, in, kLaneChannels, count, channels);
  float bias[kLaneChannels + kLanes];
  finish_rows<T>(rows, widen_bias(output, channels, count, bias), output, channels, count);
}

// Calls body(output, input, tap) with the offsets in buffers of lanes of all products of one channel
// that make up the convolution, output by output.
template <class Body>
HWY_INLINE void for_lane_products(const DepthwiseLanes& plan, Body&& body) {
  const int64_t kernel_w = plan.shape.width.kernel;
  const int64_t step_w = plan.shape.width.dilation * kLaneChannels;
  const int64_t line = plan.shape.width.in * kLaneChannels;
  int64_t output = 0;
  for (const DepthwiseLanes::Range& row : plan.rows) {
    for (const DepthwiseLanes::Range& column : plan.columns) {
      for (int64_t h = row.first; h < row.last; ++h) {
        const int64_t in_row = row.in + h * plan.shape.height.dilation;
        int64_t input = in_row * line + column.in * kLaneChannels + column.first * step_w;
        int64_t tap = (h * kernel_w + column.first) * kLaneChannels;
        for (int64_t w = column.first; w < column.last; ++w) {
          body(output, input, tap);
          input += step_w;
          tap += kLaneChannels;
        }
      }
      output += kLaneChannels;
    }
  }
}

struct LaneBuffers {
  explicit LaneBuffers(float* scratch)
      : input(scratch),
        output(input + kLaneChannels * kBlockColumns),
        rows(output + kLaneChannels * kBlockColumns) {}

  float* input;
  float* output;
  float* rows;
};

// Lanes of an image with the padding around it.
HWY_INLINE void pad_lanes(const DepthwiseLanes& plan, const float* in, float* padded) {
  const Window& height = plan.shape.height;
  const Window& width = plan.shape.width;
  const int64_t row = plan.padded_row();
  std::fill_n(padded, DepthwiseLanes::padded(plan.shape) * kLaneChannels, 0.0f);
  padded += height.pad * row + width.pad * kLaneChannels;
  for (int64_t h = 0; h < height.in; ++h)
    std::copy_n(in + h * width.in * kLaneChannels, width.in * kLaneChannels, padded + h * row);
}

// Some taps of a kernel, which stay in registers: where the inputs of the first output begin.
template <int64_t kTaps>
struct LaneTaps {
  HWY_INLINE LaneTaps(const DepthwiseLanes& plan, int64_t first, const float* padded) {
    const Window& width = plan.shape.width;
    const int64_t row = plan.padded_row();
#pragma GCC unroll 16
    for (int64_t i = 0; i < kTaps; ++i) {
      const int64_t tap = first + i;
      from[i] = padded + tap / width.kernel * plan.shape.height.dilation * row +
                tap % width.kernel * width.dilation * kLaneChannels;
    }
  }

  const float* from[kTaps];
};

// Calls body(at, output) for each output: how far its inputs are from the first one's, and where it is.
template <class Body>
HWY_INLINE void for_lane_outputs(const DepthwiseLanes& plan, Body&& body) {
  const int64_t step_h = plan.shape.height.stride * plan.padded_row();
  const int64_t step_w = plan.shape.width.stride * kLaneChannels;
  int64_t output = 0;
  for (int64_t h = 0; h < plan.shape.out_h; ++h) {
    for (int64_t w = 0; w < plan.shape.out_w; ++w, output += kLaneChannels)
      body(h * step_h + w * step_w, output);
  }
}

// Calls body(count, tap) for all taps: count, an integral constant, of them from tap on.
template <class Body>
HWY_INLINE void for_lane_taps(const DepthwiseLanes& plan, Body&& body) {
  int64_t tap = 0;
  for (; tap + kDepthwiseTaps <= plan.shape.taps; tap += kDepthwiseTaps)
    body(std::integral_constant<int64_t, kDepthwiseTaps>{}, tap);
  for (; tap < plan.shape.taps; ++tap)
    body(std::integral_constant<int64_t, 1>{}, tap);
}

// Adds what some taps, from one on, add to a lane's outputs; the first ones begin at zero.
template <int64_t kTaps>
HWY_INLINE void convolve_taps(const DepthwiseLanes& plan, int64_t first, const float* weights,
                              const float* padded, float* outputs) {
  const LaneTaps<kTaps> taps(plan, first, padded);
  Lane factors[kTaps];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTaps; ++i)
    factors[i] = load(weights + (first + i) * kLaneChannels);
  for_lane_outputs(plan, [&](int64_t at, int64_t output) NAMP_LANES {
    Lane sum = first == 0 ? Lane(0.0f) : load(outputs + output);
#pragma GCC unroll 16
    for (int64_t i = 0; i < kTaps; ++i)
      sum = add_product(factors[i], load(taps.from[i] + at), sum);
    store(sum, outputs + output);
  });
}

// Adds to the sums of some taps' weights, from one on, of a lane's channels.
template <int64_t kTaps>
HWY_INLINE void sum_taps(const DepthwiseLanes& plan, int64_t first, const float* padded,
                         const float* gradient, float* sums) {
  const LaneTaps<kTaps> taps(plan, first, padded);
  Lane products[kTaps];
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTaps; ++i)
    products[i] = Lane(0.0f);
  for_lane_outputs(plan, [&](int64_t at, int64_t output) NAMP_LANES {
    const Lane factor = load(gradient + output);
#pragma GCC unroll 16
    for (int64_t i = 0; i < kTaps; ++i)
      products[i] = add_product(factor, load(taps.from[i] + at), products[i]);
  });
#pragma GCC unroll 16
  for (int64_t i = 0; i < kTaps; ++i) {
    float* const to = sums + (first + i) * kLaneChannels;
    store(load(to) + products[i], to);
  }
}

HWY_NOINLINE void convolve_by_lanes(const DepthwiseLanes& plan, int64_t channels,
                                    const float* weights, const void* input,
                                    const ProductOutput& output, float* scratch) {
  const LaneBuffers buffers(scratch);
  with_element(output.dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    to_lanes(static_cast<const T*>(input), channels, plan.shape.pixels, buffers.rows,
             buffers.input);
    float* const padded = buffers.rows;
    pad_lanes(plan, buffers.input, padded);
    for (int64_t lane = 0; lane < channels; lane += kLanes) {
      for_lane_taps(plan, [&](auto count, int64_t tap) NAMP_LANES {
        convolve_taps<decltype(count)::value>(plan, tap, weights + lane, padded + lane,
                                              buffers.output + lane);
      });
    }
    from_lanes<T>(buffers.output, output, channels, plan.shape.positions, buffers.rows);
  });
}

HWY_NOINLINE void convolve_backward_by_lanes(const DepthwiseLanes& plan, int64_t channels,
                                             const float* weights, const void* gradient,
                                             const ProductOutput& output, float* scratch) {
  const LaneBuffers buffers(scratch);
  with_element(output.dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    to_lanes(static_cast<const T*>(gradient), channels, plan.shape.positions, buffers.rows,
             buffers.output);
    std::fill_n(buffers.input, plan.shape.pixels * kLaneChannels, 0.0f);
    for (int64_t lane = 0; lane < channels; lane += kLanes) {
      float* in = buffers.input + lane;
      const float* out = buffers.output + lane;
      const float* of_taps = weights + lane;
      for_lane_products(plan, [&](int64_t from, int64_t to, int64_t tap) NAMP_LANES {
        store(add_product(load(of_taps + tap), load(out + from), load(in + to)), in + to);
      });
    }
    from_lanes<T>(buffers.input, output, channels, plan.shape.pixels, buffers.rows);
  });
}

HWY_NOINLINE void sum_weights_by_lanes(const DepthwiseLanes& plan, int64_t channels,
                                       const void* input, const void* gradient, namp_dtype dtype,
                                       float* sums, float* scratch) {
  const LaneBuffers buffers(scratch);
  with_element(dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    to_lanes(static_cast<const T*>(input), channels, plan.shape.pixels, buffers.rows,
             buffers.input);
    to_lanes(static_cast<const T*>(gradient), channels, plan.shape.positions, buffers.rows,
             buffers.output);
  });
  float* const padded = buffers.rows;
  pad_lanes(plan, buffers.input, padded);
  for (int64_t lane = 0; lane < channels; lane += kLanes) {
    for_lane_taps(plan, [&](auto count, int64_t tap) NAMP_LANES {
      sum_taps<decltype(count)::value>(plan, tap, padded + lane, buffers.output + lane,
                                       sums + lane);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(convolve_by_lanes);
NAMP_SIMD_TABLE(convolve_backward_by_lanes);
NAMP_SIMD_TABLE(sum_weights_by_lanes);

std::vector<DepthwiseLanes::Range> ranges(const Window& axis, int64_t out) {
  std::vector<DepthwiseLanes::Range> result;
  for (int64_t i = 0; i < out; ++i) {
    const int64_t in = i * axis.stride - axis.pad;
    const int64_t first = divide_up(std::max<int64_t>(0, -in), axis.dilation);
    const int64_t after = divide_up(std::max<int64_t>(0, axis.in - in), axis.dilation);
    result.push_back({first, std::min(after, axis.kernel), in});
  }
  return result;
}

}  // namespace

DepthwiseLanes::DepthwiseLanes(const ConvolutionShape& given)
    : shape(given),
      rows(ranges(given.height, given.out_h)),
      columns(ranges(given.width, given.out_w)) {}

bool DepthwiseLanes::has_mirror(const ConvolutionShape& shape) {
  const auto of = [](const Window& axis) {
    return axis.stride == 1 && axis.pad <= axis.dilation * (axis.kernel - 1);
  };
  return of(shape.height) && of(shape.width);
}

ConvolutionShape DepthwiseLanes::mirror(const ConvolutionShape& shape) {
  ConvolutionShape result = shape;
  const auto turn = [](Window& axis, int64_t& out) {
    std::swap(axis.in, out);
    axis.pad = axis.dilation * (axis.kernel - 1) - axis.pad;
  };
  turn(result.height, result.out_h);
  turn(result.width, result.out_w);
  std::swap(result.positions, result.pixels);
  return result;
}

void convolve_lanes(namp_simd simd, const DepthwiseLanes& plan, int64_t channels,
                    const float* weights, const void* input, const ProductOutput& output,
                    float* scratch) {
  convolve_by_lanes_by_simd(simd)(plan, channels, weights, input, output, scratch);
}

void convolve_lanes_backward(namp_simd simd, const DepthwiseLanes& plan, int64_t channels,
                             const float* weights, const void* gradient,
                             const ProductOutput& output, float* scratch) {
  convolve_backward_by_lanes_by_simd(simd)(plan, channels, weights, gradient, output, scratch);
}

void sum_lane_weights(namp_simd simd, const DepthwiseLanes& plan, int64_t channels,
                      const void* input, const void* gradient, namp_dtype dtype, float* sums,
                      float* scratch) {
  sum_weights_by_lanes_by_simd(simd)(plan, channels, input, gradient, dtype, sums, scratch);
}

}  // namespace namp
#endif
