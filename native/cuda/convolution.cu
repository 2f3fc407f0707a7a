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

// Through shared memory, for both sides are to be read and written along memory: a thread reads 8
// channels of a pixel, whose neighbours its neighbours read, and writes a word beside its neighbours'.
NAMP_KERNEL(kElementThreads)
channels_last_kernel(NAMP_GRID_CONSTANT const ChannelsLastArgs args) {
  constexpr int kPitch = kChannelsLastWords * static_cast<int>(sizeof(Words));
  constexpr int kEach = kChannelsLastPixels * kChannelsLastWords / kElementThreads;
  static_assert(kChannelsLastWords == 8, "the order of words repeats after as many pixels");
  alignas(128) __shared__ unsigned char memory[kChannelsLastPixels * kPitch];
  const uint32_t base = shared_address(memory);
  // The eight words of eight pixels that a quarter of a warp writes at once are in different banks.
  const auto place = [&](int pixel, int word) {
    return base + static_cast<uint32_t>(pixel * kPitch +
                                        (word ^ pixel % 8) * static_cast<int>(sizeof(Words)));
  };
  const int64_t first_tasks = channels_last_tasks(args.tensors[0]);
  const int64_t tasks = first_tasks + channels_last_tasks(args.tensors[1]);
  const int thread = thread_index();
  for (int64_t task = block_index(); task < tasks; task += block_count()) {
    const bool second = task >= first_tasks;
    const ChannelsLast& t = args.tensors[second ? 1 : 0];
    const int64_t own = second ? task - first_tasks : task;
    const int all_words = static_cast<int>(t.words());
    const int group_words = static_cast<int>(blocks(t.channels, kPack));
    const int64_t word_tiles = blocks(all_words, kChannelsLastWords);
    const int64_t pixels = own / word_tiles;
    const int first_word = static_cast<int>(own - pixels * word_tiles) * kChannelsLastWords;
    // Of all images, one after the other: planes of a few pixels fill a task, too.
    const int64_t first_pixel = pixels * kChannelsLastPixels;
    const int64_t left = t.images * t.plane - first_pixel;
    const int pixels_left =
        left < kChannelsLastPixels ? static_cast<int>(left) : kChannelsLastPixels;
    const auto index = static_cast<uint32_t>(first_pixel + thread % kChannelsLastPixels);
    const uint32_t image = index / static_cast<uint32_t>(t.plane);
    const uint32_t position = index - image * static_cast<uint32_t>(t.plane);
    const uint32_t row = position / static_cast<uint32_t>(t.width);
    const auto* const first = static_cast<const uint16_t*>(t.from) +
                              int64_t{image} * t.groups * t.channels * t.from_plane +
                              row * t.row_step +
                              (position - row * static_cast<uint32_t>(t.width)) * t.step;
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int pixel = thread % kChannelsLastPixels;
      const int own_word =
          thread / kChannelsLastPixels + i * (kElementThreads / kChannelsLastPixels);
      const int word = first_word + own_word;
      const int group = word / group_words;
      const int channel = (word - group * group_words) * kPack;
      const auto* from = first + (int64_t{group} * t.channels + channel) * t.from_plane;
      const bool there = word < all_words && pixel < pixels_left;
      uint16_t x[kPack];
#pragma unroll
      for (int j = 0; j < kPack; ++j)
        x[j] =
            there && channel + j < t.channels ? load_global(from + j * t.from_plane) : uint16_t{0};
      Words words;
      words.x = x[0] | uint32_t{x[1]} << 16;
      words.y = x[2] | uint32_t{x[3]} << 16;
      words.z = x[4] | uint32_t{x[5]} << 16;
      words.w = x[6] | uint32_t{x[7]} << 16;
      store_shared_words(place(pixel, own_word), words);
    }
    barrier();
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int pixel = thread / kChannelsLastWords + i * (kElementThreads / kChannelsLastWords);
      const int word = first_word + thread % kChannelsLastWords;
      if (pixel >= pixels_left || word >= all_words) continue;
      auto* to = static_cast<Words*>(t.to) + (first_pixel + pixel) * all_words + word;
      store_words<0>(to, load_shared_words(place(pixel, thread % kChannelsLastWords)));
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
