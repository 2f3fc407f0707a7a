// What copies images and weights with their channels last: a block's task of channels_last_kernel.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/convolution_kernels.h"
#include "cuda/divide.cuh"
#include "cuda/tensor_core.cuh"
#include "cuda/view.cuh"

namespace namp::cuda {

// A task of channels_last_kernel: pixels, of all images one after the other, so that planes of a few fill
// it, too; and words of each.
struct ChannelsLastTask {
  int64_t first_pixel;
  int pixels_left;
  int first_word;
  int all_words;
  int group_words;

  NAMP_DEVICE ChannelsLastTask(const ChannelsLast& t, int64_t task, int pixels) {
    all_words = static_cast<int>(t.words());
    group_words = static_cast<int>(blocks(t.channels, kPack));
    const auto index = static_cast<uint32_t>(task);
    const uint32_t first = index / t.by_word_tiles;
    first_word = static_cast<int>(index - first * t.by_word_tiles.by) * kChannelsLastWords;
    first_pixel = int64_t{first} * pixels;
    const int64_t left = t.images * t.plane - first_pixel;
    pixels_left = left < pixels ? static_cast<int>(left) : pixels;
  }
  // The first channel of a pixel.
  NAMP_DEVICE const uint16_t* pixel(const ChannelsLast& t, int own) const {
    const auto index = static_cast<uint32_t>(first_pixel + own);
    const uint32_t image = index / t.by_plane;
    const uint32_t position = index - image * static_cast<uint32_t>(t.plane);
    const auto* const first = static_cast<const uint16_t*>(t.from) +
                              int64_t{image} * t.groups * t.channels * t.from_plane;
    if (t.row_step == t.width * t.step) return first + position * t.step;
    const uint32_t row = position / t.by_width;
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

// Pixels beside each other of a channel, two in a register; one alone in its lower half.
template <int kPixels>
struct ChannelPixels {
  uint32_t two[(kPixels + 1) / 2] = {};

  NAMP_DEVICE void load(const uint16_t* from) {
    if constexpr (kPixels == 8) {
      const Words words = load_words<0>(reinterpret_cast<const Words*>(from));
      two[0] = words.x;
      two[1] = words.y;
      two[2] = words.z;
      two[3] = words.w;
    } else if constexpr (kPixels == 4) {
      const uint64_t both = load_global(reinterpret_cast<const uint64_t*>(from));
      two[0] = static_cast<uint32_t>(both);
      two[1] = static_cast<uint32_t>(both >> 32);
    } else {
      two[0] = load_global(from);
    }
  }
};

// The first channels of kPack, one plane after the other; zeros behind them.
template <int kPixels>
NAMP_DEVICE void load_channels(ChannelPixels<kPixels> (&x)[kPack], const uint16_t* from,
                               int64_t plane, int there) {
  if (there >= kPack) {
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      x[j].load(from + j * plane);
  } else {
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      if (j < there) x[j].load(from + j * plane);
    }
  }
}

// The channels of one of two pixels, as a word. halves: join_halves.
template <int kPixels>
NAMP_DEVICE Words word_of(const ChannelPixels<kPixels> (&x)[kPack], int two, uint32_t halves) {
  const auto join = [&](int j) { return join_halves(x[j].two[two], x[j + 1].two[two], halves); };
  return make_words(join(0), join(2), join(4), join(6));
}
constexpr uint32_t kLower = 0x5410;
constexpr uint32_t kUpper = 0x7632;

// Pixels of kLoaded that lie beside each other, all or every second: a thread has eight channels of them,
// and its neighbours the next channels, so that both sides are read and written in whole sectors.
template <int kLoaded, int kStep>
NAMP_DEVICE void move_pixels(const ChannelsLast& t, int64_t task) {
  constexpr int kTaken = kLoaded / kStep;
  const ChannelsLastTask own(t, task, kChannelsLastGroups * kTaken);
  const int thread = thread_index();
  const int pixel = thread / kChannelsLastWords * kTaken;
  const int word = own.first_word + thread % kChannelsLastWords;
  if (pixel >= own.pixels_left || word >= own.all_words) return;
  const auto channels = own.channels(t, word);
  ChannelPixels<kLoaded> x[kPack];
  load_channels(x, own.pixel(t, pixel) + channels.offset, t.from_plane, channels.there);
  auto* to = static_cast<Words*>(t.to) + (own.first_pixel + pixel) * own.all_words + word;
#pragma unroll
  for (int i = 0; i < kTaken; ++i) {
    store_words<0>(to, word_of(x, i * kStep / 2, i * kStep % 2 == 0 ? kLower : kUpper));
    to += own.all_words;
  }
}

// Single pixels go through shared memory, for both sides are to be read and written along memory: a thread
// reads 8 channels of a pixel, whose neighbours its neighbours read, and writes a word beside its
// neighbours'.
NAMP_DEVICE void move_single_pixels(const ChannelsLast& t, int64_t task, uint32_t base) {
  constexpr int kPitch = kChannelsLastWords * static_cast<int>(sizeof(Words));
  static_assert(kChannelsLastWords == 8, "the order of words repeats after as many pixels");
  const ChannelsLastTask own(t, task, kChannelsLastPixels);
  const int thread = thread_index();
  // The eight words of eight pixels that a quarter of a warp writes at once are in different banks.
  const auto place = [&](int pixel, int word) {
    return base + static_cast<uint32_t>(pixel * kPitch +
                                        (word ^ pixel % 8) * static_cast<int>(sizeof(Words)));
  };
  const int read_pixel = thread % kChannelsLastPixels;
  const uint16_t* const first = own.pixel(t, read_pixel);
#pragma unroll 1
  for (int word = thread / kChannelsLastPixels; word < kChannelsLastWords;
       word += kElementThreads / kChannelsLastPixels) {
    const auto channels = own.channels(t, own.first_word + word);
    ChannelPixels<1> x[kPack];
    load_channels(x, first + channels.offset, t.from_plane,
                  read_pixel < own.pixels_left ? channels.there : 0);
    store_shared_words(place(read_pixel, word), word_of(x, 0, kLower));
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

// Those behind the last pixel.
NAMP_DEVICE void write_zeros(const ChannelsLast& t) {
  auto* const to = static_cast<Words*>(t.to) + t.images * t.plane * t.words();
  for (int i = thread_index(); i < t.zeros; i += kElementThreads)
    store_words<0>(to + i, make_words(0, 0, 0, 0));
}

}  // namespace namp::cuda
