// The columns of a convolution; the rest is a matrix product.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
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

}  // namespace namp::cuda
