// The copies that a gathered convolution's products read, and what the products have in common.
#pragma once

#include "cuda/gather_axes.h"

namespace namp {

// Of images that are copied at a time: few enough that they are still in the second-level cache of a large
// GPU (40 MB in an A100, 50 MB in an H100) when they are multiplied, and enough for many tiles.
inline constexpr int64_t kCopyBytes = 32 << 20;

inline int64_t align(int64_t bytes) { return cuda::blocks(bytes, 256) * 256; }

// [images, groups, channels, plane] with channels last.
inline cuda::ChannelsLast channels_last(const void* from, void* to, int64_t images, int64_t groups,
                                        int64_t channels, int64_t plane) {
  const auto all = static_cast<int32_t>(plane);
  return {from,
          to,
          images,
          plane,
          plane,
          1,
          all,
          all,
          static_cast<int32_t>(groups),
          static_cast<int32_t>(channels),
          1,
          0,
          {},
          {},
          {}};
}
// [images, channels, height, width] with a row's pixels adjacent.
inline cuda::RowWindows row_windows(const void* from, int64_t images, int64_t channels,
                                    int64_t height, int64_t width, int64_t left, int64_t pixels) {
  return {from,
          nullptr,
          images,
          static_cast<int32_t>(channels),
          static_cast<int32_t>(height),
          static_cast<int32_t>(width),
          static_cast<int32_t>(left),
          static_cast<int32_t>(pixels),
          0,
          {},
          {}};
}
inline int64_t bytes_of(const cuda::ChannelsLast& t) {
  return align((t.images * t.plane * t.words() + t.zeros) * int64_t{sizeof(uint16_t)} *
               cuda::kPack);
}
inline int64_t bytes_of(const cuda::RowWindows& t) {
  return align(t.words() * int64_t{sizeof(uint16_t)} * cuda::kPack);
}
// An image that taps are gathered from: with a pixel of zeros.
inline cuda::ChannelsLast gathered_image(int64_t groups, int64_t channels, int64_t plane) {
  auto image = channels_last(nullptr, nullptr, 1, groups, channels, plane);
  image.zeros = static_cast<int32_t>(image.words());
  return image;
}
// Elements from one image to the next.
inline int64_t image_stride(const cuda::ChannelsLast& t) {
  return t.groups * t.channels * t.from_plane;
}
inline int64_t image_stride(const cuda::RowWindows& t) {
  return int64_t{t.channels} * t.height * t.width;
}

// Whether a kernel of one tap reads an image's positions without padding: then it reads no more than
// every stride-th position, and the others are not copied.
inline bool is_one_tap(const namp_conv2d_args& a) {
  return a.kernel_h * a.kernel_w == 1 && a.pad_h == 0 && a.pad_w == 0;
}
inline cuda::ChannelsLast image_of(const namp_conv2d_args& a, const ConvolutionShape& s) {
  auto image = gathered_image(a.groups, s.in_channels, a.in_h * a.in_w);
  if (!is_one_tap(a) || (a.stride_h == 1 && a.stride_w == 1)) return image;
  image.plane = static_cast<int32_t>(s.plane);
  image.width = static_cast<int32_t>(s.out_w);
  image.row_step = a.in_w * a.stride_h;
  image.step = a.stride_w;
  return image;
}
inline cuda::RowWindows windows_of(const namp_conv2d_args& a, const ConvolutionShape& s) {
  auto image = row_windows(nullptr, 1, a.in_channels, a.in_h, a.in_w, a.pad_w, window_pixels(a, s));
  image.zeros = static_cast<int32_t>(window_channels(a) / cuda::kPack);
  return image;
}
// Images, and the zeros behind them.
inline void set_images(cuda::ConvolutionArgs& c, int64_t images) {
  c.images = static_cast<int32_t>(images);
  c.zeros = static_cast<int32_t>(images * c.h.image * c.w.image * c.pitch);
}
// What the kernels divide by.
inline void set_dividers(cuda::ConvolutionArgs& c) {
  using cuda::Divider;
  c.by_groups = Divider::of(c.groups);
  c.by_phases_w = Divider::of(c.w.phases);
  for (int32_t phase = 0; phase < cuda::kMostPhases; ++phase) {
    c.by_height[phase] = Divider::of(std::max(c.h.positions(phase), 1));
    c.by_width[phase] = Divider::of(std::max(c.w.positions(phase), 1));
  }
  c.by_channels = Divider::of(c.channels);
  c.by_kernel_w = Divider::of(c.kernel_w);
  c.by_row_channels = Divider::of(std::max<int64_t>(c.gemm.call.m / c.phases_of_rows, 1));
  c.by_step_w = Divider::of(c.step_w);
}
// The products of some images: sums and what follows them are still to be given.
inline cuda::ConvolutionArgs products_of(const namp_conv2d_args& args, const cuda::GatherAxis& h,
                                         const cuda::GatherAxis& w, int64_t channels,
                                         int64_t images) {
  cuda::ConvolutionArgs c{};
  c.gemm.call.alpha = 1.0f;
  c.gemm.call.c_dtype = args.dtype;
  c.h = h;
  c.w = w;
  c.groups = static_cast<int32_t>(args.groups);
  c.channels = static_cast<int32_t>(padded(channels));
  c.pitch = c.groups * c.channels;
  c.kernel_w = static_cast<int32_t>(args.kernel_w);
  c.result_w = w.result;
  c.step_h = h.phases;
  c.step_w = w.phases;
  c.phases_of_rows = 1;
  set_images(c, images);
  return c;
}
// Of the output's positions, from images that are copied so.
inline cuda::ConvolutionArgs output_products_of(const namp_conv2d_args& args,
                                                const ConvolutionShape& s,
                                                const cuda::ChannelsLast&, int64_t images) {
  if (is_one_tap(args)) {
    return products_of(args, output_axis({s.out_h, s.out_h, 1, 1, 0, 1}),
                       output_axis({s.out_w, s.out_w, 1, 1, 0, 1}), s.in_channels, images);
  }
  return products_of(args, output_axis(height_of(args, s)), output_axis(width_of(args, s)),
                     s.in_channels, images);
}
inline cuda::ConvolutionArgs output_products_of(const namp_conv2d_args& args,
                                                const ConvolutionShape& s,
                                                const cuda::RowWindows& image, int64_t images) {
  cuda::ConvolutionArgs c = products_of(
      args, output_axis(height_of(args, s)),
      output_axis({image.pixels, s.out_w, 1, args.stride_w, 0, 1}), window_channels(args), images);
  c.pitch = cuda::kWindowChannels;
  c.kernel_w = 1;
  set_images(c, images);
  return c;
}

}  // namespace namp
