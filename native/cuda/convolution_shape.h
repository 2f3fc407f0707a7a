// The sizes of a convolution's products.
#pragma once

#include <algorithm>
#include <cstdint>

#include "dtype.h"
#include "nativeamp.h"

namespace namp {

struct ConvolutionShape {
  int64_t out_h, out_w, plane, in_channels, out_channels, taps;

  explicit ConvolutionShape(const namp_conv2d_args& a)
      : out_h((a.in_h + 2 * a.pad_h - a.dilation_h * (a.kernel_h - 1) - 1) / a.stride_h + 1),
        out_w((a.in_w + 2 * a.pad_w - a.dilation_w * (a.kernel_w - 1) - 1) / a.stride_w + 1),
        plane(out_h * out_w),
        in_channels(a.in_channels / a.groups),
        out_channels(a.out_channels / a.groups),
        taps(in_channels * a.kernel_h * a.kernel_w) {}

  // Whether an image is its own columns.
  static bool is_product(const namp_conv2d_args& a) {
    return a.kernel_h == 1 && a.kernel_w == 1 && a.stride_h == 1 && a.stride_w == 1 &&
           a.pad_h == 0 && a.pad_w == 0;
  }

  // Number of images that fit a workspace, with these bytes for each.
  static int64_t images_at_once(int64_t batch, int64_t bytes, int64_t workspace) {
    return std::clamp<int64_t>(workspace / std::max<int64_t>(1, bytes), 1,
                               std::max<int64_t>(1, batch));
  }
};

}  // namespace namp
