// Sums of windows of 8-bit integers: the inner part of int8_conv2d.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "nativeamp.h"

namespace namp {

// Positions of a run, which lie together, and the most output channels of a call.
inline constexpr int64_t kInt8Run = 16;
inline constexpr int64_t kInt8Outputs = 32;
// The most runs of a call, of all its output channels together.
inline constexpr int64_t kInt8Runs = 256;

// The words of a window's codes. A word has those of four channels of a tap, or of four taps of a row
// where there is one channel.
struct Int8Taps {
  Int8Taps(int64_t channels, int64_t kernel_h, int64_t kernel_w)
      : height(kernel_h),
        by_columns(channels == 1),
        quads((channels + 3) / 4),
        across(by_columns ? (kernel_w + 3) / 4 : kernel_w),
        count(quads * kernel_h * across) {}

  int64_t word(int64_t channel, int64_t row, int64_t column) const {
    return (channel / 4 * height + row) * across + (by_columns ? column / 4 : column);
  }
  int64_t byte(int64_t channel, int64_t column) const {
    return (by_columns ? column : channel) % 4;
  }

  int64_t height;
  bool by_columns;
  int64_t quads;   // words of a tap
  int64_t across;  // words of a kernel's row
  int64_t count;
};

// The layout of a weight for windows (namp_int8_pack): the sum of each output's codes in 32 bits, to
// whole cache lines, and then its words, [outputs, taps].
struct Int8WindowLayout {
  explicit Int8WindowLayout(const namp_int8_pack_args& args)
      : taps(args.k / (args.kernel_h * args.kernel_w), args.kernel_h, args.kernel_w),
        sum_bytes((args.n * 4 + 63) / 64 * 64),
        bytes(sum_bytes + args.n * taps.count * 4) {}

  Int8Taps taps;
  int64_t sum_bytes;
  int64_t bytes;
};

// Windows over planes of words, each of four codes, and words of four signed weights.
struct Int8Windows {
  const uint32_t* planes;
  const int64_t* starts;        // of each run: the word of its first position
  const int64_t* offsets;       // [taps], from a position's word to the tap's
  const uint8_t* weights;       // words [outputs, taps], of any alignment
  const uint32_t* corrections;  // [outputs]
  int64_t taps;
  uint32_t* sums;
  int64_t stride;  // from an output's sums to those of the next one

  uint32_t weight(int64_t output, int64_t tap) const {
    uint32_t word;
    std::memcpy(&word, weights + (output * taps + tap) * 4, sizeof word);
    return word;
  }
};

// sums[o * stride + r * kInt8Run + i] = sum over taps of the four products of the words at
// starts[r] + offsets[tap] + i of the planes, and at [o, tap] of the weights, less corrections[o].
// It wraps.
using Int8WindowSums = void (*)(const Int8Windows& windows, int64_t outputs, int64_t runs);

struct Int8WindowKernel {
  Int8WindowSums sum;
  uint32_t added;  // to each code of the planes: 128, which makes them unsigned, or 0
};

// By AVX-512 VNNI, or NEON's dot product; null where a target has neither.
const Int8WindowKernel* int8_window_kernel_by_dots(namp_simd simd);

// Cuts rows x columns into tiles of 4 x 4, with 1 for the rest of each side, and calls
// tile(integral_constant rows, integral_constant columns, row, column). Columns come outside: the
// rows of b stay in the first cache.
template <class Tile>
void for_int8_tiles(int64_t rows, int64_t columns, Tile&& tile) {
  using Four = std::integral_constant<int, 4>;
  using One = std::integral_constant<int, 1>;
  const auto down = [&](auto width, int64_t column) {
    int64_t row = 0;
    for (; row + 4 <= rows; row += 4)
      tile(Four{}, width, row, column);
    for (; row < rows; ++row)
      tile(One{}, width, row, column);
  };
  int64_t column = 0;
  for (; column + 4 <= columns; column += 4)
    down(Four{}, column);
  for (; column < columns; ++column)
    down(One{}, column);
}

}  // namespace namp
