// Around the products of a convolution: its columns; or, for products that gather them by themselves,
// channels last and the weight's gradient as it should lie.
#include "cuda/platform.cuh"

#include "cuda/channels_last.cuh"
#include "cuda/tensor_core.cuh"
#include "cuda/view.cuh"

namespace namp::cuda {

NAMP_KERNEL(kElementThreads) image_to_columns_kernel(const ColumnsArgs args) {
  const namp_conv2d_args& s = args.shape;
  const int64_t plane = args.out_h * args.out_w;
  const int64_t taps = s.kernel_h * s.kernel_w;
  for_elements(args.images * args.channels * taps * plane, [&](int64_t i) {
    const int64_t out_x = i % args.out_w;
    const int64_t out_y = i / args.out_w % args.out_h;
    const int64_t tap = i / plane % taps;
    const int64_t channel = i / plane / taps % args.channels;
    const int64_t image = i / plane / taps / args.channels;
    const int64_t y = out_y * s.stride_h - s.pad_h + tap / s.kernel_w * s.dilation_h;
    const int64_t x = out_x * s.stride_w - s.pad_w + tap % s.kernel_w * s.dilation_w;
    float value = 0.0f;
    if (y >= 0 && y < s.in_h && x >= 0 && x < s.in_w) {
      value = load_as(args.image, args.image_dtype,
                      image * args.image_stride + (channel * s.in_h + y) * s.in_w + x);
    }
    store_as(value, args.columns, args.columns_dtype, i);
  });
}

NAMP_KERNEL(kElementThreads) columns_to_image_kernel(const ColumnsArgs args) {
  const namp_conv2d_args& s = args.shape;
  const int64_t plane = args.out_h * args.out_w;
  const int64_t taps = s.kernel_h * s.kernel_w;
  const int64_t in_plane = s.in_h * s.in_w;
  for_elements(args.images * args.channels * in_plane, [&](int64_t i) {
    const int64_t in_x = i % s.in_w;
    const int64_t in_y = i / s.in_w % s.in_h;
    const int64_t channel = i / in_plane % args.channels;
    const int64_t image = i / in_plane / args.channels;
    float sum = 0.0f;
    for (int64_t ky = 0; ky < s.kernel_h; ++ky) {
      const int64_t y = in_y + s.pad_h - ky * s.dilation_h;
      if (y < 0 || y % s.stride_h != 0 || y / s.stride_h >= args.out_h) continue;
      for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
        const int64_t x = in_x + s.pad_w - kx * s.dilation_w;
        if (x < 0 || x % s.stride_w != 0 || x / s.stride_w >= args.out_w) continue;
        const int64_t tap = ky * s.kernel_w + kx;
        const int64_t at = ((image * args.channels + channel) * taps + tap) * plane +
                           y / s.stride_h * args.out_w + x / s.stride_w;
        sum += load_as(args.columns, args.columns_dtype, at);
      }
    }
    store_as(sum, args.image, args.image_dtype,
             image * args.image_stride + i % (in_plane * args.channels));
  });
}

NAMP_KERNEL(kElementThreads)
channels_last_kernel(NAMP_GRID_CONSTANT const ChannelsLastArgs args) {
  alignas(128)
      __shared__ unsigned char memory[kChannelsLastPixels * kChannelsLastWords * sizeof(Words)];
  const uint32_t base = shared_address(memory);
  if (block_index() == 0) {
    write_zeros(args.tensors[0]);
    write_zeros(args.tensors[1]);
  }
  const int64_t first_tasks = channels_last_tasks(args.tensors[0]);
  const int64_t tasks = first_tasks + channels_last_tasks(args.tensors[1]);
  for (int64_t task = block_index(); task < tasks; task += block_count()) {
    const bool second = task >= first_tasks;
    const ChannelsLast& t = args.tensors[second ? 1 : 0];
    const int64_t own = second ? task - first_tasks : task;
    if (t.at_once == 8) {
      move_pixels<8, 1>(t, own);
    } else if (t.at_once == 4 && t.step == 1) {
      move_pixels<4, 1>(t, own);
    } else if (t.at_once == 4) {
      move_pixels<8, 2>(t, own);
    } else if (t.at_once == 2) {
      move_pixels<4, 2>(t, own);
    } else {
      move_single_pixels(t, own, base);
    }
  }
}

NAMP_KERNEL(kElementThreads)
row_windows_kernel(NAMP_GRID_CONSTANT const RowWindowsArgs args) {
  const int64_t first_words = args.tensors[0].words();
  for_elements(first_words + args.tensors[1].words(), [&](int64_t i) {
    const bool second = i >= first_words;
    const RowWindows& t = args.tensors[second ? 1 : 0];
    const auto index = static_cast<uint32_t>(second ? i - first_words : i);
    const uint32_t row = index / t.by_row_words;
    const uint32_t image = row / t.by_height;
    const int x = static_cast<int>(index - row * t.by_row_words.by) * 2 - t.left;
    const int64_t plane = int64_t{t.height} * t.width;
    const auto* const from = static_cast<const uint16_t*>(t.from) +
                             int64_t{image} * t.channels * plane +
                             int64_t{row - image * static_cast<uint32_t>(t.height)} * t.width;
    uint16_t halves[2][kWindowChannels];
#pragma unroll
    for (int pixel = 0; pixel < 2; ++pixel) {
      const bool inside = static_cast<int64_t>(image) < t.images &&
                          static_cast<uint32_t>(x + pixel) < static_cast<uint32_t>(t.width);
#pragma unroll
      for (int channel = 0; channel < kWindowChannels; ++channel) {
        halves[pixel][channel] = inside && channel < t.channels
                                     ? load_global(from + channel * plane + (x + pixel))
                                     : uint16_t{0};
      }
    }
    const auto both = [&](int pixel, int channel) {
      return halves[pixel][channel] | uint32_t{halves[pixel][channel + 1]} << 16;
    };
    store_words<0>(static_cast<Words*>(t.to) + index,
                   make_words(both(0, 0), both(0, 2), both(1, 0), both(1, 2)));
  });
}

namespace {

// The weight's tap of a phase's place, or -1.
NAMP_DEVICE int tap_of(const GatherAxis& axis, int phase, int place) {
  const auto& own = axis.of[phase];
  const int tap = own.origin - place;  // of the phase: places go down by one
  return tap >= 0 && tap < own.taps ? own.first_tap + tap * axis.weight_step : -1;
}

}  // namespace

NAMP_KERNEL(kElementThreads) phase_weights_kernel(NAMP_GRID_CONSTANT const PhaseWeights args) {
  const auto row_words = static_cast<uint32_t>(blocks(args.out_channels, kPack));
  for_elements(args.words(), [&](int64_t i) {
    const auto index = static_cast<uint32_t>(i);
    const auto cut = [](uint32_t& rest, int32_t size) {
      const uint32_t whole = rest / static_cast<uint32_t>(size);
      const uint32_t own = rest - whole * static_cast<uint32_t>(size);
      rest = whole;
      return static_cast<int>(own);
    };
    uint32_t rest = index / row_words;
    const int first = static_cast<int>(index - rest * row_words) * kPack;
    const int place_w = args.top_w - cut(rest, args.taps_w);
    const int place_h = args.top_h - cut(rest, args.taps_h);
    const int channel = cut(rest, args.channels);
    const int phase_w = cut(rest, args.w.phases);
    const int tap_w = tap_of(args.w, phase_w, place_w);
    const int tap_h = tap_of(args.h, static_cast<int>(rest), place_h);
    const bool is_tap = tap_h >= 0 && tap_w >= 0;
    const int taps = args.kernel_h * args.kernel_w;
    const auto* const from = static_cast<const uint16_t*>(args.from);
    uint32_t x[kPack];
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      const int64_t at =
          (int64_t{first + j} * args.channels + channel) * taps + tap_h * args.kernel_w + tap_w;
      x[j] = is_tap && first + j < args.out_channels ? load_global(from + at) : 0u;
    }
    store_words<0>(
        static_cast<Words*>(args.to) + index,
        make_words(x[0] | x[1] << 16, x[2] | x[3] << 16, x[4] | x[5] << 16, x[6] | x[7] << 16));
  });
}

namespace {

// Elements of a row beside each other, each second one a zero: kElements in an access.
template <int kElements>
NAMP_DEVICE void spread(const SpreadArgs& args) {
  const uint32_t row_parts = args.by_row_parts.by;
  for_elements(args.planes * args.to_h * row_parts, [&](int64_t i) {
    const auto part = static_cast<uint32_t>(i);
    const uint32_t row = part / args.by_row_parts;
    const uint32_t plane = row / args.by_to_h;
    const uint32_t y = row - plane * args.by_to_h.by;
    const uint32_t own = y / args.by_step_h;
    uint32_t x[kElements / 2] = {};
    if (own * static_cast<uint32_t>(args.step_h) == y) {
      const auto* const from = static_cast<const uint16_t*>(args.from) +
                               (int64_t{plane} * args.from_h + own) * args.from_w +
                               (part - row * row_parts) * static_cast<uint32_t>(kElements / 2);
#pragma unroll
      for (int j = 0; j < kElements / 2; ++j)
        x[j] = load_global(from, j);
    }
    auto* const to = static_cast<uint16_t*>(args.to) + i * kElements;
    if constexpr (kElements == 8) {
      store_words<0>(reinterpret_cast<Words*>(to), make_words(x[0], x[1], x[2], x[3]));
    } else if constexpr (kElements == 4) {
      store_global(reinterpret_cast<uint64_t*>(to), x[0] | uint64_t{x[1]} << 32);
    } else {
      store_global(reinterpret_cast<uint32_t*>(to), x[0]);
    }
  });
}

}  // namespace

NAMP_KERNEL(kElementThreads) spread_kernel(const SpreadArgs args) {
  if (args.together == 8) {
    spread<8>(args);
  } else if (args.together == 4) {
    spread<4>(args);
  } else {
    spread<2>(args);
  }
}

NAMP_KERNEL(kElementThreads) convolution_weight_kernel(const ConvolutionWeightArgs args) {
  const uint32_t channels = args.by_channels.by;
  const uint32_t taps = args.by_taps.by;
  const uint32_t together = args.by_taps_together.by;
  const int64_t of_part = args.rows * (args.taps / args.taps_together) * args.padded;
  // Neighbours read neighbouring sums, of which there are more than are written.
  for_elements(args.rows * args.taps * args.channels, [&](int64_t i) {
    const auto element = static_cast<uint32_t>(i);
    uint32_t line = element / args.by_channels;  // of taps
    const uint32_t channel = element - line * channels;
    const uint32_t row = line / args.by_taps;
    const uint32_t tap = line - row * taps;
    uint32_t column = channel;
    if (together > 1) {
      const uint32_t window = line / args.by_taps_together;
      column += (line - window * together) * kWindowChannels;
      line = window;
    }
    const float* from = args.sums + int64_t{line} * args.padded + column;
    float sum = 0.0f;
#pragma unroll 4
    for (int part = 0; part < static_cast<int>(args.parts); ++part) {
      sum += load(from);
      from += of_part;
    }
    store_as(sum, args.weight, args.dtype, (int64_t{row} * channels + channel) * taps + tap);
  });
}

}  // namespace namp::cuda
