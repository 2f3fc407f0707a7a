// Around the products of a convolution: its columns; or, for products that gather them by themselves,
// channels last and the weight's gradient as it should lie.
#include "cuda/platform.cuh"

#include "cuda/convolution_kernels.h"
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

namespace {

// A task of channels_last_kernel: pixels, of all images one after the other, so that planes of a few fill
// it, too; and words of each.
struct ChannelsLastTask {
  int64_t first_pixel;
  int pixels_left;
  int first_word;
  int all_words;
  int group_words;

  NAMP_DEVICE ChannelsLastTask(const ChannelsLast& t, int64_t task) {
    all_words = static_cast<int>(t.words());
    group_words = static_cast<int>(blocks(t.channels, kPack));
    const int64_t word_tiles = blocks(all_words, kChannelsLastWords);
    const int64_t pixels = word_tiles == 1 ? task : task / word_tiles;
    first_word = static_cast<int>(task - pixels * word_tiles) * kChannelsLastWords;
    first_pixel = pixels * kChannelsLastPixels;
    const int64_t left = t.images * t.plane - first_pixel;
    pixels_left = left < kChannelsLastPixels ? static_cast<int>(left) : kChannelsLastPixels;
  }
  // The first channel of a pixel.
  NAMP_DEVICE const uint16_t* pixel(const ChannelsLast& t, int own) const {
    const auto index = static_cast<uint32_t>(first_pixel + own);
    const uint32_t image = index / static_cast<uint32_t>(t.plane);
    const uint32_t position = index - image * static_cast<uint32_t>(t.plane);
    const auto* const first = static_cast<const uint16_t*>(t.from) +
                              int64_t{image} * t.groups * t.channels * t.from_plane;
    if (t.row_step == t.width * t.step) return first + position * t.step;
    const uint32_t row = position / static_cast<uint32_t>(t.width);
    return first + row * t.row_step + (position - row * static_cast<uint32_t>(t.width)) * t.step;
  }
  // Where the word's channels are from there, and how many there are of them.
  struct Channels {
    int64_t offset;
    int there;
  };
  NAMP_DEVICE Channels channels(const ChannelsLast& t, int word) const {
    const int group = t.groups == 1 ? 0 : word / group_words;
    const int channel = (word - group * group_words) * kPack;
    return {(int64_t{group} * t.channels + channel) * t.from_plane,
            word < all_words ? t.channels - channel : 0};
  }
};

// The first channels of kPack, one plane after the other, of one pixel or two beside each other; zeros
// behind them.
template <class Pixels>
NAMP_DEVICE void load_channels(Pixels (&x)[kPack], const uint16_t* from, int64_t plane, int there) {
  if (there >= kPack) {
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      x[j] = load_global(reinterpret_cast<const Pixels*>(from + j * plane));
  } else {
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      x[j] = j < there ? load_global(reinterpret_cast<const Pixels*>(from + j * plane)) : Pixels{0};
  }
}

}  // namespace

// Through shared memory, for both sides are to be read and written along memory: a thread reads 8
// channels of a pixel, whose neighbours its neighbours read, and writes a word beside its neighbours'.
// Where two pixels lie in 4 bytes, it reads both at once.
NAMP_KERNEL(kElementThreads)
channels_last_kernel(NAMP_GRID_CONSTANT const ChannelsLastArgs args) {
  constexpr int kPitch = kChannelsLastWords * static_cast<int>(sizeof(Words));
  static_assert(kChannelsLastWords == 8, "the order of words repeats after as many pixels");
  alignas(128) __shared__ unsigned char memory[kChannelsLastPixels * kPitch];
  const uint32_t base = shared_address(memory);
  const int64_t first_tasks = channels_last_tasks(args.tensors[0]);
  const int64_t tasks = first_tasks + channels_last_tasks(args.tensors[1]);
  const int thread = thread_index();
  for (int64_t task = block_index(); task < tasks; task += block_count()) {
    const bool second = task >= first_tasks;
    const ChannelsLast& t = args.tensors[second ? 1 : 0];
    const ChannelsLastTask own(t, second ? task - first_tasks : task);
    const bool has_pairs = t.step == 1 && t.row_step == t.width && t.plane % 2 == 0 &&
                           t.from_plane % 2 == 0 && reinterpret_cast<uintptr_t>(t.from) % 4 == 0;
    // The eight words of eight pixels, or of every second one, that a quarter of a warp writes at once are
    // in different banks.
    const int shift = has_pairs ? 1 : 0;
    const auto place = [&](int pixel, int word) {
      const int order = (pixel >> shift) % 8;
      return base + static_cast<uint32_t>(pixel * kPitch +
                                          (word ^ order) * static_cast<int>(sizeof(Words)));
    };
    if (has_pairs) {
      constexpr int kPairs = kChannelsLastPixels / 2;
      static_assert(kPairs * kChannelsLastWords == kElementThreads);
      const int pixel = thread % kPairs * 2;
      const int word = thread / kPairs;
      const auto channels = own.channels(t, own.first_word + word);
      uint32_t x[kPack];
      load_channels(x, own.pixel(t, pixel) + channels.offset, t.from_plane,
                    pixel < own.pixels_left ? channels.there : 0);
      const auto half = [&](int j, uint32_t which) { return join_halves(x[j], x[j + 1], which); };
      store_shared_words(place(pixel, word), make_words(half(0, 0x5410), half(2, 0x5410),
                                                        half(4, 0x5410), half(6, 0x5410)));
      store_shared_words(place(pixel + 1, word), make_words(half(0, 0x7632), half(2, 0x7632),
                                                            half(4, 0x7632), half(6, 0x7632)));
    } else {
      const int pixel = thread % kChannelsLastPixels;
      const uint16_t* const first = own.pixel(t, pixel);
#pragma unroll 1
      for (int word = thread / kChannelsLastPixels; word < kChannelsLastWords;
           word += kElementThreads / kChannelsLastPixels) {
        const auto channels = own.channels(t, own.first_word + word);
        uint16_t x[kPack];
        load_channels(x, first + channels.offset, t.from_plane,
                      pixel < own.pixels_left ? channels.there : 0);
        const auto both = [&](int j) { return x[j] | uint32_t{x[j + 1]} << 16; };
        store_shared_words(place(pixel, word), make_words(both(0), both(2), both(4), both(6)));
      }
    }
    barrier();
    constexpr int kStep = kElementThreads / kChannelsLastWords;
    const int own_word = thread % kChannelsLastWords;
    const int word = own.first_word + own_word;
    auto* const to = static_cast<Words*>(t.to) + own.first_pixel * own.all_words + word;
#pragma unroll
    for (int i = 0; i < kChannelsLastPixels / kStep; ++i) {
      const int pixel = thread / kChannelsLastWords + i * kStep;
      if (pixel >= own.pixels_left || word >= own.all_words) continue;
      store_words<0>(to + pixel * own.all_words, load_shared_words(place(pixel, own_word)));
    }
    barrier();  // the memory is free
  }
}

NAMP_KERNEL(kElementThreads) convolution_weight_kernel(const ConvolutionWeightArgs args) {
  const auto channels = static_cast<uint32_t>(args.channels);
  const auto taps = static_cast<uint32_t>(args.taps);
  const int64_t of_part = args.rows * args.taps * args.padded;
  // Neighbours read neighbouring sums, of which there are more than are written.
  for_elements(args.rows * args.taps * args.channels, [&](int64_t i) {
    const auto element = static_cast<uint32_t>(i);
    const uint32_t line = element / channels;
    const uint32_t channel = element - line * channels;
    const uint32_t row = line / taps;
    const uint32_t tap = line - row * taps;
    const float* const from = args.sums + int64_t{line} * args.padded + channel;
    float sum = 0.0f;
    for (int64_t part = 0; part < args.parts; ++part)
      sum += load(from + part * of_part);
    store_as(sum, args.weight, args.dtype, (int64_t{row} * channels + channel) * taps + tap);
  });
}

}  // namespace namp::cuda
