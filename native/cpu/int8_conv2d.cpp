// Convolutions of 8-bit integers with scales at the end.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/int8_conv2d.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"

#include <algorithm>
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
  const uint32_t* corrections;  // of each channel
  int64_t channel;              // of the weight, the first one
  int64_t channels;
  int64_t output[kInt8Runs];  // element of a run's first position in the first channel
  int64_t count[kInt8Runs];   // positions of a run
  int64_t runs;
  int64_t positions;  // elements from one channel to the next
};

}  // namespace namp
#endif

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

template <int kOutputs, int kRunCount>
void window_tile(const Int8Windows& windows, int64_t output, int64_t run, uint32_t* sums) {
  for (int r = 0; r < kRunCount; ++r) {
    const uint32_t* planes = windows.planes + windows.starts[run + r];
    for (int o = 0; o < kOutputs; ++o) {
      const uint32_t* weights = windows.weights + (output + o) * windows.taps;
      uint32_t* out = sums + ((output + o) * kInt8Runs + run + r) * kInt8Run;
      std::fill_n(out, kInt8Run, 0u);
      for (int64_t tap = 0; tap < windows.taps; ++tap) {
        const uint32_t weight = weights[tap];
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
HWY_NOINLINE void window_tile(const Int8Windows& windows, int64_t output, int64_t run,
                              uint32_t* sums) {
  constexpr int kTogether = std::min(2, kRunCount);
  const SignedTag tag;
  const uint32_t* weights = windows.weights + output * windows.taps;
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
          signed_bytes(weights[o * windows.taps + tap], weight_low, weight_high);
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
        for (int r = 0; r < kTogether; ++r) {
          const auto sum = hn::RearrangeToOddPlusEven(acc[o][r], more[o][r]);
          hn::StoreU(hn::BitCast(BitsTag(), sum), BitsTag(),
                     sums + ((output + o) * kInt8Runs + run + first + r) * kInt8Run + lane);
        }
      }
    }
  }
}

#endif

void sum_windows(const Int8Windows& windows, int64_t outputs, int64_t runs, uint32_t* sums) {
  for_int8_tiles(outputs, runs, [&](auto height, auto width, int64_t output, int64_t run) {
    window_tile<decltype(height)::value, decltype(width)::value>(windows, output, run, sums);
  });
}

void scale_int8_windows(const namp_int8_conv2d_args& args, const Int8Outputs& outputs) {
  const Lane scale(args.scale);
  const bool relu = args.activation == NAMP_ACTIVATION_RELU;
  with_element(args.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    for (int64_t c = 0; c < outputs.channels; ++c) {
      const int64_t channel = outputs.channel + c;
      const LaneBits correction(outputs.corrections[channel]);
      const Lane weight_scale(args.weight_scales[channel]);
      const bool biased = args.bias != nullptr;
      const Lane bias(biased ? args.bias[channel] : 0.0f);
      for (int64_t run = 0; run < outputs.runs; ++run) {
        const uint32_t* sums = outputs.sums + (c * kInt8Runs + run) * kInt8Run;
        T* out = static_cast<T*>(args.output) + outputs.output[run] + c * outputs.positions;
        for_lanes(outputs.count[run], [=](int64_t i, auto part) NAMP_LANES {
          // A run's sums are all there, also those after its last position.
          Lane x = scale_sum(to_float(load_bits(sums + i) - correction), scale, weight_scale,
                             biased, bias);
          if (relu) x = select(x < Lane(0.0f), Lane(0.0f), x);
          store(same_nan(x, Lane(0.0f)), out + i, part);
        });
      }
    }
  });
}

// The words of a row whose columns are stride apart, from the first one that is there.
template <int kChannels>
HWY_INLINE void fill_words(const int8_t* in, int64_t pixels, int64_t width, int64_t stride,
                           uint32_t* out) {
  for (int64_t column = 0; column < width; column += stride) {
    uint32_t word = 0;
#pragma GCC unroll 4
    for (int channel = 0; channel < kChannels; ++channel)
      word |= uint32_t{static_cast<uint8_t>(in[channel * pixels + column])} << (8 * channel);
    *out++ = word ^ 0x80808080u;
  }
}

// All words of a row, 16 at once, of four runs of codes each with a distance to the next.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE bool fill_row(const int8_t*, int64_t, int64_t, int64_t, uint32_t*) { return false; }
#else
HWY_INLINE bool fill_row(const int8_t* in, int64_t runs, int64_t distance, int64_t width,
                         uint32_t* out) {
  constexpr int64_t kBytes = 16;
  if (width < kBytes) return false;
  const hn::FixedTag<uint8_t, kBytes> tag;
  const auto sign = hn::Set(tag, 0x80);
  for (int64_t begin = 0; begin < width; begin += kBytes) {
    const int64_t column = std::min(begin, width - kBytes);
    // Where fewer channels are left, the last one is repeated: the weights of the others are zeros.
    const auto codes = [&](int64_t run) NAMP_LANES {
      const int8_t* p = in + std::min(run, runs - 1) * distance + column;
      return hn::Xor(hn::LoadU(tag, reinterpret_cast<const uint8_t*>(p)), sign);
    };
    hn::StoreInterleaved4(codes(0), codes(1), codes(2), codes(3), tag,
                          reinterpret_cast<uint8_t*>(out + column));
  }
  return true;
}
#endif

// The words of four columns each. The rows around the image stay as they are.
void fill_columns(const Int8Planes& planes, const int8_t* input, uint32_t* words) {
  const Window& width = planes.shape.width;
  // The padded rows, whose ends stay as they are. All of them first: a load across the borders of
  // stores that are not in the cache yet waits.
  auto* lines = reinterpret_cast<int8_t*>(words + planes.plane_words());
  for (int64_t row = 0; row < planes.shape.height.in; ++row)
    std::memcpy(lines + row * planes.columns + width.pad, input + row * width.in,
                static_cast<size_t>(width.in));
  for (int64_t row = 0; row < planes.shape.height.in; ++row) {
    const int8_t* line = lines + row * planes.columns;
    const int64_t padded = row + planes.shape.height.pad;
    if (width.stride == 1 &&
        fill_row(line, 4, 1, planes.columns, words + planes.word(0, padded, 0)))
      continue;
    for (int64_t first = 0; first < std::min(width.stride, planes.columns); ++first) {
      uint32_t* out = words + planes.word(0, padded, first);
      for (int64_t column = first; column < planes.columns; column += width.stride) {
        uint32_t word;
        std::memcpy(&word, line + column, sizeof word);
        *out++ = word ^ 0x80808080u;
      }
    }
  }
}

// The planes of a group's input. The words around the image stay as they are.
void fill_int8_planes(const Int8Planes& planes, const int8_t* input, uint32_t* words) {
  if (planes.by_columns) return fill_columns(planes, input, words);
  const Window& height = planes.shape.height;
  const Window& width = planes.shape.width;
  const int64_t pixels = planes.shape.pixels;
  for (int64_t quad = 0; quad < planes.quads; ++quad) {
    const int64_t channels = std::min<int64_t>(4, planes.shape.group_in - 4 * quad);
    for (int64_t row = 0; row < height.in; ++row) {
      const int8_t* in = input + 4 * quad * pixels + row * width.in;
      uint32_t* const all = words + planes.word(quad, row + height.pad, width.pad);
      if (width.stride == 1 && fill_row(in, channels, pixels, width.in, all)) continue;
      for (int64_t first = 0; first < std::min(width.stride, width.in); ++first) {
        uint32_t* out = words + planes.word(quad, row + height.pad, width.pad + first);
        const int64_t left = width.in - first;
        if (channels == 4) {
          fill_words<4>(in + first, pixels, left, width.stride, out);
        } else if (channels == 3) {
          fill_words<3>(in + first, pixels, left, width.stride, out);
        } else if (channels == 2) {
          fill_words<2>(in + first, pixels, left, width.stride, out);
        } else {
          fill_words<1>(in + first, pixels, left, width.stride, out);
        }
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

// The words of an output channel's weights, and their sum.
int32_t pack_weights(const Int8Planes& planes, const int8_t* weight, uint32_t* words) {
  const int64_t width = planes.shape.width.kernel;
  const int64_t window = planes.shape.height.kernel * width;
  std::fill_n(words, planes.taps, 0u);
  int32_t sum = 0;
  for (int64_t channel = 0; channel < planes.shape.group_in; ++channel) {
    for (int64_t i = 0; i < window; ++i) {
      const int8_t code = weight[channel * window + i];
      const int64_t word =
          planes.by_columns ? i / width * planes.across + i % width / 4 : channel / 4 * window + i;
      const int64_t byte = (planes.by_columns ? i % width : channel) % 4;
      words[word] |= uint32_t{static_cast<uint8_t>(code)} << (8 * byte);
      sum += code;
    }
  }
  return sum;
}

}  // namespace

NAMP_SIMD_TABLE(sum_windows);
NAMP_SIMD_TABLE(scale_int8_windows);
NAMP_SIMD_TABLE(fill_int8_planes);

void CpuBackend::int8_conv2d(const namp_int8_conv2d_args& args, namp_stream stream) {
  const Int8Planes planes(args);
  const ConvolutionShape& shape = planes.shape;
  const Int8WindowSums dots = int8_window_sums_by_dots(simd_);
  const Int8WindowSums sum = dots != nullptr ? dots : sum_windows_by_simd(simd_);
  const auto scale = scale_int8_windows_by_simd(simd_);
  const auto fill = fill_int8_planes_by_simd(simd_);

  // The planes of each worker; then, of all, offsets, weights and corrections.
  const int64_t each = align(planes.words() * 4);
  const int64_t offset_bytes = align(planes.taps * 8);
  const int64_t weight_bytes = align(args.out_channels * planes.taps * 4);
  const int64_t workers = threads_.count();
  char* scratch = worker_scratch(workers, each, stream,
                                 offset_bytes + weight_bytes + align(args.out_channels * 4));
  auto* offsets = reinterpret_cast<int64_t*>(scratch + workers * each);
  auto* weights = reinterpret_cast<uint32_t*>(scratch + workers * each + offset_bytes);
  auto* corrections =
      reinterpret_cast<uint32_t*>(scratch + workers * each + offset_bytes + weight_bytes);
  for (int64_t tap = 0; tap < planes.taps; ++tap)
    offsets[tap] = planes.offset(tap);
  const auto unsigned_zero = static_cast<uint32_t>(args.zero_point + 128);
  threads_.parallel_for(args.out_channels, 16, [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) {
      const int32_t total =
          pack_weights(planes, args.weight + channel * shape.taps, weights + channel * planes.taps);
      corrections[channel] = unsigned_zero * static_cast<uint32_t>(total);
    }
  });

  // A unit of work is some output channels of a group of an image.
  const int64_t blocks = (shape.group_out - 1) / kInt8Outputs + 1;
  const int64_t across = (shape.out_w - 1) / kInt8Run + 1;
  const int64_t all_runs = shape.out_h * across;
  threads_.split(
      args.batch * args.groups * blocks, [&](int64_t worker, int64_t first, int64_t last) {
        auto* words = reinterpret_cast<uint32_t*>(scratch + worker * each);
        std::fill_n(words, planes.words(), unsigned_zero * 0x01010101u);
        // Of the rows that are copied before their codes become unsigned.
        std::fill(words + planes.plane_words(), words + planes.words(),
                  (unsigned_zero * 0x01010101u) ^ 0x80808080u);
        int64_t filled = -1;
        for (int64_t unit = first; unit < last; ++unit) {
          const int64_t item = unit / blocks;
          if (item != filled)
            fill(planes, args.input + item * shape.group_in * shape.pixels, words);
          filled = item;
          const int64_t in_group = unit % blocks * kInt8Outputs;
          uint32_t sums[kInt8Outputs * kInt8Runs * kInt8Run];
          Int8Outputs outputs{};
          outputs.sums = sums;
          outputs.corrections = corrections;
          outputs.channel = item % args.groups * shape.group_out + in_group;
          outputs.channels = std::min(kInt8Outputs, shape.group_out - in_group);
          outputs.positions = shape.positions;
          const int64_t base = (item * shape.group_out + in_group) * shape.positions;
          int64_t starts[kInt8Runs];
          const Int8Windows windows{words, starts, offsets, weights + outputs.channel * planes.taps,
                                    planes.taps};
          for (int64_t run = 0; run < all_runs; run += kInt8Runs) {
            outputs.runs = std::min(kInt8Runs, all_runs - run);
            for (int64_t i = 0; i < outputs.runs; ++i) {
              const int64_t row = (run + i) / across;
              const int64_t column = (run + i) % across * kInt8Run;
              starts[i] = row * shape.height.stride * planes.pitch + column;
              outputs.output[i] = base + row * shape.out_w + column;
              outputs.count[i] = std::min(kInt8Run, shape.out_w - column);
            }
            sum(windows, outputs.channels, outputs.runs, sums);
            scale(args, outputs);
          }
        }
      });
}

}  // namespace namp
#endif
