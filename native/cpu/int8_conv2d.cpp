// Convolutions of 8-bit integers with scales at the end.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/int8_conv2d.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/cpu_backend.h"
#include "cpu/int8_planes.h"
#include "formulas/integer_codes.h"

#ifndef NAMP_CPU_INT8_CONV2D_ONCE
#define NAMP_CPU_INT8_CONV2D_ONCE
namespace namp {

// Sums of some output channels at some runs of positions, and where they go.
struct Int8Outputs {
  const uint32_t* sums;
  int64_t stride;   // from a channel's sums to those of the next one
  int64_t channel;  // of the weight, the first one
  int64_t channels;
  int64_t begin;     // positions of runs, from the first row on: the first one
  int64_t count;     // of them
  int64_t row;       // positions from a row to the next one
  int64_t width;     // of an output row
  int64_t base;      // element of the first channel's first output
  int64_t elements;  // of a channel
};

}  // namespace namp
#endif

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

template <int kOutputs, int kRunCount>
void window_tile(const Int8Windows& windows, int64_t output, int64_t run) {
  for (int r = 0; r < kRunCount; ++r) {
    const uint32_t* planes = windows.planes + windows.starts[run + r];
    for (int o = 0; o < kOutputs; ++o) {
      uint32_t* out = windows.sums + (output + o) * windows.stride + (run + r) * kInt8Run;
      std::fill_n(out, kInt8Run, 0u - windows.corrections[output + o]);
      for (int64_t tap = 0; tap < windows.taps; ++tap) {
        const uint32_t weight = windows.weight(output + o, tap);
        const uint32_t* codes = planes + windows.offsets[tap];
        for (int64_t i = 0; i < kInt8Run; ++i) {
          int32_t sum = 0;
          for (int byte = 0; byte < 32; byte += 8)
            sum += static_cast<uint8_t>(codes[i] >> byte) * static_cast<int8_t>(weight >> byte);
          out[i] += static_cast<uint32_t>(sum);
        }
      }
    }
  }
}

#else

using ShortTag = hn::Repartition<int16_t, SignedTag>;
using Shorts = hn::Vec<ShortTag>;

// The low and the high byte of each 16 bits, as values of 16 bits. Not as a struct: the constructor
// that the compiler makes has no target, and GCC then refuses NEON's vectors in it.
HWY_INLINE void unsigned_bytes(const uint32_t* p, Shorts& low, Shorts& high) {
  const auto words = hn::BitCast(hn::RebindToUnsigned<ShortTag>(), hn::LoadU(BitsTag(), p));
  low = hn::BitCast(ShortTag(), hn::And(words, hn::Set(hn::RebindToUnsigned<ShortTag>(), 0xff)));
  high = hn::BitCast(ShortTag(), hn::ShiftRight<8>(words));
}
HWY_INLINE void signed_bytes(uint32_t word, Shorts& low, Shorts& high) {
  const Shorts words = hn::BitCast(ShortTag(), hn::Set(BitsTag(), word));
  low = hn::ShiftRight<8>(hn::ShiftLeft<8>(words));
  high = hn::ShiftRight<8>(words);
}

// Products of 16 bits, added in pairs to 32. Two runs at once: AVX2 has no registers for more.
template <int kOutputs, int kRunCount>
HWY_NOINLINE void window_tile(const Int8Windows& windows, int64_t output, int64_t run) {
  constexpr int kTogether = std::min(2, kRunCount);
  const SignedTag tag;
  for (int first = 0; first < kRunCount; first += kTogether) {
    const int64_t* starts = windows.starts + run + first;
    for (int64_t lane = 0; lane < kInt8Run; lane += kLanes) {
      hn::Vec<SignedTag> acc[kOutputs][kTogether];
      hn::Vec<SignedTag> more[kOutputs][kTogether];  // as in int8_gemm.cpp
      for (int o = 0; o < kOutputs; ++o) {
        for (int r = 0; r < kTogether; ++r)
          acc[o][r] = more[o][r] = hn::Zero(tag);
      }
      for (int64_t tap = 0; tap < windows.taps; ++tap) {
        const int64_t offset = windows.offsets[tap] + lane;
        Shorts low[kTogether];
        Shorts high[kTogether];
#pragma GCC unroll 2
        for (int r = 0; r < kTogether; ++r)
          unsigned_bytes(windows.planes + starts[r] + offset, low[r], high[r]);
#pragma GCC unroll 4
        for (int o = 0; o < kOutputs; ++o) {
          Shorts weight_low;
          Shorts weight_high;
          signed_bytes(windows.weight(output + o, tap), weight_low, weight_high);
#pragma GCC unroll 2
          for (int r = 0; r < kTogether; ++r) {
            acc[o][r] =
                hn::ReorderWidenMulAccumulate(tag, low[r], weight_low, acc[o][r], more[o][r]);
            acc[o][r] =
                hn::ReorderWidenMulAccumulate(tag, high[r], weight_high, acc[o][r], more[o][r]);
          }
        }
      }
      for (int o = 0; o < kOutputs; ++o) {
        const auto correction = hn::Set(BitsTag(), windows.corrections[output + o]);
        for (int r = 0; r < kTogether; ++r) {
          const auto sum = hn::RearrangeToOddPlusEven(acc[o][r], more[o][r]);
          hn::StoreU(
              hn::Sub(hn::BitCast(BitsTag(), sum), correction), BitsTag(),
              windows.sums + (output + o) * windows.stride + (run + first + r) * kInt8Run + lane);
        }
      }
    }
  }
}

#endif

void sum_windows(const Int8Windows& windows, int64_t outputs, int64_t runs) {
  for_int8_tiles(outputs, runs, [&](auto height, auto width, int64_t output, int64_t run) {
    window_tile<decltype(height)::value, decltype(width)::value>(windows, output, run);
  });
}

// Calls body(sum, output, count) for the sums of each row: the first one, the element of the channel
// that becomes of it, and how many there are.
template <class Body>
HWY_INLINE void for_rows(const Int8Outputs& outputs, const Body& body) {
  int64_t row = outputs.begin / outputs.row;
  int64_t column = outputs.begin % outputs.row;
  for (int64_t i = 0; i < outputs.count; ++row, column = 0) {
    const int64_t here = std::min(outputs.row - column, outputs.count - i);
    const int64_t count = std::min(here, outputs.width - column);
    if (count > 0) body(i, row * outputs.width + column, count);
    i += here;
  }
}

// Whether no sum of a channel becomes a NaN.
HWY_INLINE bool stays_number(float scale, float weight_scale, float bias) {
  constexpr float kLargestSum = 2147483648.0f;
  return std::isfinite(kLargestSum * scale) && std::isfinite(weight_scale) && std::isfinite(bias);
}

template <bool kRelu, bool kNumbers, class T>
HWY_INLINE void scale_channel(const Int8Outputs& outputs, const uint32_t* sums, Lane scale,
                              Lane weight_scale, Lane bias, T* channel_out) {
  for_rows(outputs, [=](int64_t first, int64_t element, int64_t count) NAMP_LANES {
    const uint32_t* in = sums + first;
    T* out = channel_out + element;
    const auto scale_lane = [=](int64_t i, auto part) NAMP_LANES {
      // Sums are there for whole lanes, also after the last position.
      Lane x = scale_sum(to_float(load_bits(in + i)), scale, weight_scale, true, bias);
      if (kRelu) x = select(x < Lane(0.0f), Lane(0.0f), x);
      if (!kNumbers) x = same_nan(x, Lane(0.0f));
      store(x, out + i, part);
    };
    // The last lane of a row overlaps the one before it.
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
      scale_lane(i, Whole{});
    if (i == count) return;
    if (i == 0) {
      scale_lane(i, Part{count});
    } else {
      scale_lane(count - kLanes, Whole{});
    }
  });
}

template <bool kRelu, class T>
HWY_INLINE void scale_channels(const namp_int8_conv2d_args& args, const Int8Outputs& outputs) {
  for (int64_t c = 0; c < outputs.channels; ++c) {
    const int64_t channel = outputs.channel + c;
    const float weight_scale = args.weight_scales[channel];
    // Adding -0 changes nothing.
    const float bias = args.bias == nullptr ? -0.0f : args.bias[channel];
    const uint32_t* sums = outputs.sums + c * outputs.stride;
    T* out = static_cast<T*>(args.output) + outputs.base + c * outputs.elements;
    if (stays_number(args.scale, weight_scale, bias)) {
      scale_channel<kRelu, true>(outputs, sums, Lane(args.scale), Lane(weight_scale), Lane(bias),
                                 out);
    } else {
      scale_channel<kRelu, false>(outputs, sums, Lane(args.scale), Lane(weight_scale), Lane(bias),
                                  out);
    }
  }
}

void scale_int8_windows(const namp_int8_conv2d_args& args, const Int8Outputs& outputs) {
  with_element(args.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    if (args.activation == NAMP_ACTIVATION_RELU) {
      scale_channels<true, T>(args, outputs);
    } else {
      scale_channels<false, T>(args, outputs);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(sum_windows);
NAMP_SIMD_TABLE(scale_int8_windows);

void CpuBackend::int8_conv2d(const namp_int8_conv2d_args& args, namp_stream stream) {
  const Int8WindowKernel* dots = int8_window_kernel_by_dots(simd_);
  const Int8WindowKernel kernel =
      dots != nullptr ? *dots : Int8WindowKernel{sum_windows_by_simd(simd_), 128};
  const Int8Planes planes(args, kernel.added);
  const ConvolutionShape& shape = planes.shape;
  const int64_t taps = planes.taps.count;
  const auto scale = scale_int8_windows_by_simd(simd_);

  // The planes of each worker; then, of all, offsets and corrections.
  const int64_t each = align(planes.words() * 4);
  const int64_t workers = threads_.count();
  char* scratch =
      worker_scratch(workers, each, stream, align(taps * 8) + align(args.out_channels * 4));
  auto* offsets = reinterpret_cast<int64_t*>(scratch + workers * each);
  planes.offsets(offsets);
  auto* corrections = reinterpret_cast<uint32_t*>(scratch + workers * each + align(taps * 8));
  const auto* weight = static_cast<const uint8_t*>(args.weight);
  std::memcpy(corrections, weight, static_cast<size_t>(args.out_channels) * 4);
  for (int64_t channel = 0; channel < args.out_channels; ++channel)
    corrections[channel] *= static_cast<uint32_t>(args.zero_point) + kernel.added;
  weight += args.weight_bytes - args.out_channels * taps * 4;

  // A unit of work is some output channels of a group of an image.
  const int64_t blocks = divide_up(shape.group_out, kInt8Outputs);
  threads_.split(args.batch * args.groups * blocks, [&](int64_t worker, int64_t first,
                                                        int64_t last) {
    auto* words = reinterpret_cast<uint32_t*>(scratch + worker * each);
    pad_int8_planes(planes, args.zero_point, words);
    int64_t filled = -1;
    for (int64_t unit = first; unit < last; ++unit) {
      const int64_t item = unit / blocks;
      if (item != filled)
        fill_int8_planes(simd_, planes, args.input + item * shape.group_in * shape.pixels, words);
      filled = item;
      const int64_t in_group = unit % blocks * kInt8Outputs;
      // The sums of a lane that begins at the last position end behind it.
      uint32_t sums[(kInt8Runs + 1) * kInt8Run];
      int64_t starts[kInt8Runs];
      Int8Outputs outputs{};
      outputs.sums = sums;
      outputs.channel = item % args.groups * shape.group_out + in_group;
      outputs.channels = std::min(kInt8Outputs, shape.group_out - in_group);
      // Rows without others' positions between them are one.
      const bool whole = planes.run_row == shape.out_w;
      outputs.row = whole ? shape.positions : planes.run_row;
      outputs.width = whole ? shape.positions : shape.out_w;
      outputs.base = (item * shape.group_out + in_group) * shape.positions;
      outputs.elements = shape.positions;
      const int64_t most = kInt8Runs / outputs.channels;
      outputs.stride = most * kInt8Run;
      const Int8Windows windows{words,
                                starts,
                                offsets,
                                weight + outputs.channel * taps * 4,
                                corrections + outputs.channel,
                                taps,
                                sums,
                                outputs.stride};
      for (int64_t run = 0; run < planes.runs; run += most) {
        const int64_t runs = std::min(most, planes.runs - run);
        for (int64_t i = 0; i < runs; ++i)
          starts[i] = planes.start(run + i);
        outputs.begin = run * kInt8Run;
        outputs.count = std::min(runs * kInt8Run, planes.positions - outputs.begin);
        kernel.sum(windows, outputs.channels, runs);
        scale(args, outputs);
      }
    }
  });
}

}  // namespace namp
#endif
