// Sizes of a pooling, by the names in its loops.
#pragma once

#include "nativeamp.h"
#include "window.h"

namespace namp {

struct PoolShape {
  explicit PoolShape(const namp_pool2d_args& args)
      : max(args.pooling == NAMP_POOL_MAX),
        height{args.in_h, args.kernel_h, args.stride_h, args.pad_h, 1},
        width{args.in_w, args.kernel_w, args.stride_w, args.pad_w, 1},
        out_h(window_out(height)),
        out_w(window_out(width)) {}

  int64_t pixels() const { return height.in * width.in; }
  int64_t positions() const { return out_h * out_w; }

  // Windows of 2x2, side by side.
  bool is_2x2() const {
    return height.kernel == 2 && width.kernel == 2 && height.stride == 2 && width.stride == 2 &&
           height.pad == 0 && width.pad == 0;
  }

  // Scratch memory of a worker: a plane of input and one of output.
  int64_t scratch_floats() const { return (pixels() + positions() + 15) / 16 * 16; }

  bool max;
  Window height;
  Window width;
  int64_t out_h;
  int64_t out_w;
};

}  // namespace namp
