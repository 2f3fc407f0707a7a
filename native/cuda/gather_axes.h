// Where the taps of a convolution find what they multiply.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <numeric>

#include "cuda/convolution_kernels.h"
#include "cuda/convolution_shape.h"

namespace namp {

// Largest number of elements of a tensor with channels last, and of positions with their padding: the
// kernels count them in 32 bits.
inline constexpr int64_t kMostElements = 1 << 30;
inline constexpr int64_t kMostPositions = 1 << 28;

inline int64_t padded(int64_t channels) {
  return cuda::blocks(channels, cuda::kPack) * cuda::kPack;
}

// A direction of the call.
struct Direction {
  int64_t in, out, kernel, stride, pad, dilation;
};
inline Direction height_of(const namp_conv2d_args& a, const ConvolutionShape& s) {
  return {a.in_h, s.out_h, a.kernel_h, a.stride_h, a.pad_h, a.dilation_h};
}
inline Direction width_of(const namp_conv2d_args& a, const ConvolutionShape& s) {
  return {a.in_w, s.out_w, a.kernel_w, a.stride_w, a.pad_w, a.dilation_w};
}

// The output's positions, with a tap's places in the image.
inline cuda::GatherAxis output_axis(const Direction& d) {
  cuda::GatherAxis axis{};
  axis.image = static_cast<int32_t>(d.in);
  axis.result = static_cast<int32_t>(d.out);
  axis.stride = static_cast<int32_t>(d.stride);
  axis.tap_step = static_cast<int32_t>(d.dilation);
  axis.weight_step = 1;
  axis.phases = 1;
  axis.of[0] = {static_cast<int32_t>(d.kernel), 0, static_cast<int32_t>(-d.pad)};
  return axis;
}

// The image's positions, with a tap's places in the output. Position p is read by the output's position
// (p + pad - tap dilation) / stride where that is whole, which it is for every weight_step-th tap, or for
// none: for the same taps at p + stride.
inline cuda::GatherAxis input_axis(const Direction& d) {
  const int64_t common = std::gcd(d.dilation, d.stride);
  cuda::GatherAxis axis{};
  axis.image = static_cast<int32_t>(d.out);
  axis.result = static_cast<int32_t>(d.in);
  axis.stride = 1;
  axis.tap_step = static_cast<int32_t>(-d.dilation / common);
  axis.weight_step = static_cast<int32_t>(d.stride / common);
  axis.phases = static_cast<int32_t>(d.stride);
  for (int32_t phase = 0; phase < axis.phases; ++phase) {
    for (int32_t tap = 0; tap < axis.weight_step && tap < d.kernel; ++tap) {
      const int64_t place = phase + d.pad - tap * d.dilation;
      if (place % d.stride != 0) continue;
      axis.of[phase] = {static_cast<int32_t>(cuda::blocks(d.kernel - tap, axis.weight_step)), tap,
                        static_cast<int32_t>(place / d.stride)};
      break;
    }
  }
  return axis;
}

// Whether sizes have a product up to kMostElements. They divide it one after the other: their product may
// not fit 64 bits.
inline bool are_few(std::initializer_list<int64_t> sizes) {
  int64_t most = kMostElements;
  for (const int64_t size : sizes)
    most /= std::max<int64_t>(1, size);
  return most > 0;
}

// The same with the rows of all phases: a position for each of the first phase, and the places of all
// phases' taps. of[0].origin is the place of the first.
inline cuda::GatherAxis axis_of_all_phases(const cuda::GatherAxis& phased) {
  cuda::GatherAxis axis = phased;
  axis.result = phased.positions(0);
  axis.weight_step = 1;
  axis.phases = 1;
  int32_t top = 0, bottom = 0;
  bool any = false;
  for (int32_t phase = 0; phase < phased.phases; ++phase) {
    const auto& own = phased.of[phase];
    if (own.taps == 0) continue;
    top = any ? std::max(top, own.origin) : own.origin;
    bottom = any ? std::min(bottom, own.origin - own.taps + 1) : own.origin - own.taps + 1;
    any = true;
  }
  axis.of[0] = {any ? top - bottom + 1 : 0, 0, top};
  return axis;
}
// Whether the image's gradient is made so: all phases' rows are no more than a tile has, and most of a tile
// of each phase would be for nothing.
inline bool has_rows_of_phases(const namp_conv2d_args& a) {
  const int64_t phases = a.stride_h * a.stride_w;
  return a.groups == 1 && phases > 1 && phases * a.in_channels <= cuda::kNarrowTile &&
         a.dilation_h == 1 && a.dilation_w == 1 && a.kernel_h >= a.stride_h &&
         a.kernel_w >= a.stride_w && a.in_h % a.stride_h == 0 && a.in_w % a.stride_w == 0;
}

// A kernel's row of taps as a window: of so few channels that a pixel with them is half a word, beginning at
// whole words.
inline bool has_windows(const namp_conv2d_args& a, const ConvolutionShape& s) {
  return a.groups == 1 && s.in_channels <= cuda::kWindowChannels && a.kernel_w > 1 &&
         a.dilation_w == 1 && a.stride_w % 2 == 0;
}
// Elements of a window, and pixels of a row of the image with all its windows.
inline int64_t window_channels(const namp_conv2d_args& a) {
  return padded(a.kernel_w * cuda::kWindowChannels);
}
inline int64_t window_pixels(const namp_conv2d_args& a, const ConvolutionShape& s) {
  const int64_t pixels = (s.out_w - 1) * a.stride_w + window_channels(a) / cuda::kWindowChannels;
  return pixels + pixels % 2;
}

// Whether kernels that gather can count a call's elements, and have phases for its strides.
inline bool can_gather(const namp_conv2d_args& args) {
  const ConvolutionShape s(args);
  const int64_t taps = args.kernel_h * args.kernel_w;
  const int64_t in = args.groups * padded(s.in_channels);
  const int64_t out = args.groups * padded(s.out_channels);
  const auto fits = [](const Direction& d) {
    return d.stride <= cuda::kMostPhases && d.in + 2 * d.pad <= kMostPositions;
  };
  // A pack of positions may be of as many images, each of a position in every phase.
  constexpr int64_t kOfPack = cuda::kPack * cuda::kMostPhases * cuda::kMostPhases;
  return args.batch > 0 && fits(height_of(args, s)) && fits(width_of(args, s)) &&
         are_few({in, args.in_h, args.in_w}) && are_few({out, s.out_h, s.out_w}) &&
         are_few({taps, padded(s.in_channels), out}) &&
         are_few({taps, padded(s.out_channels), in}) &&
         are_few({args.batch, args.groups, args.stride_h, args.stride_w}) &&
         are_few({args.batch, s.plane}) && are_few({args.batch, args.in_h, args.in_w}) &&
         are_few({kOfPack, in}) && are_few({kOfPack, out}) &&
         (!has_windows(args, s) ||
          are_few({args.in_h, window_pixels(args, s), cuda::kWindowChannels}));
}

}  // namespace namp
