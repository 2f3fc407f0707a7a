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
          1};
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
          static_cast<int32_t>(pixels)};
}
inline int64_t bytes_of(const cuda::ChannelsLast& t) {
  return align(t.images * t.plane * t.words() * int64_t{sizeof(uint16_t)} * cuda::kPack);
}
inline int64_t bytes_of(const cuda::RowWindows& t) {
  return align(t.words() * int64_t{sizeof(uint16_t)} * cuda::kPack);
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
  auto image = channels_last(nullptr, nullptr, 1, a.groups, s.in_channels, a.in_h * a.in_w);
  if (!is_one_tap(a)) return image;
  image.plane = static_cast<int32_t>(s.plane);
  image.width = static_cast<int32_t>(s.out_w);
  image.row_step = a.in_w * a.stride_h;
  image.step = a.stride_w;
  return image;
}
inline cuda::RowWindows windows_of(const namp_conv2d_args& a, const ConvolutionShape& s) {
  return row_windows(nullptr, 1, a.in_channels, a.in_h, a.in_w, a.pad_w, window_pixels(a, s));
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
  c.images = static_cast<int32_t>(images);
  c.kernel_w = static_cast<int32_t>(args.kernel_w);
  c.result_w = w.result;
  c.step_h = h.phases;
  c.step_w = w.phases;
  c.phases_of_rows = 1;
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
  return c;
}

}  // namespace namp
