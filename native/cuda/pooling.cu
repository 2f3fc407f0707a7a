// Pooling: one thread for each output; in backward for each input.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/view.cuh"

namespace namp::cuda {

NAMP_KERNEL(kElementThreads) pool_forward_kernel(const PoolArgs args) {
  const namp_pool2d_args& p = args.call;
  const bool takes_maximum = p.pooling == NAMP_POOL_MAX;
  for_elements(p.planes * args.out_h * args.out_w, [&](int64_t i) {
    const int64_t out_x = i % args.out_w;
    const int64_t out_y = i / args.out_w % args.out_h;
    const int64_t plane = i / args.out_w / args.out_h;
    float sum = 0.0f;
    float best = 0.0f;
    int64_t best_at = -1;
    for (int64_t ky = 0; ky < p.kernel_h; ++ky) {
      const int64_t y = out_y * p.stride_h - p.pad_h + ky;
      if (y < 0 || y >= p.in_h) continue;
      for (int64_t kx = 0; kx < p.kernel_w; ++kx) {
        const int64_t x = out_x * p.stride_w - p.pad_w + kx;
        if (x < 0 || x >= p.in_w) continue;
        const float value = load_as(p.input, p.dtype, (plane * p.in_h + y) * p.in_w + x);
        sum += value;
        // The first of equals; a NaN counts as the largest, and the first of several is taken.
        const bool wins = best_at < 0 || (best == best && (value > best || !(value == value)));
        if (wins) {
          best = value;
          best_at = ky * p.kernel_w + kx;
        }
      }
    }
    if (takes_maximum) {
      store_as(best, p.output, p.dtype, i);
      if (p.indices != nullptr) store_global(p.indices + i, static_cast<uint8_t>(best_at));
    } else {
      store_as(sum / static_cast<float>(p.kernel_h * p.kernel_w), p.output, p.dtype, i);
    }
  });
}

NAMP_KERNEL(kElementThreads) pool_backward_kernel(const PoolArgs args) {
  const namp_pool2d_args& p = args.call;
  const bool takes_maximum = p.pooling == NAMP_POOL_MAX;
  const float share = 1.0f / static_cast<float>(p.kernel_h * p.kernel_w);
  for_elements(p.planes * p.in_h * p.in_w, [&](int64_t i) {
    const int64_t in_x = i % p.in_w;
    const int64_t in_y = i / p.in_w % p.in_h;
    const int64_t plane = i / p.in_w / p.in_h;
    float sum = 0.0f;
    // Windows from the first to the last, so that they are added in the order of the outputs.
    for (int64_t ky = p.kernel_h - 1; ky >= 0; --ky) {
      const int64_t y = in_y + p.pad_h - ky;
      if (y < 0 || y % p.stride_h != 0 || y / p.stride_h >= args.out_h) continue;
      for (int64_t kx = p.kernel_w - 1; kx >= 0; --kx) {
        const int64_t x = in_x + p.pad_w - kx;
        if (x < 0 || x % p.stride_w != 0 || x / p.stride_w >= args.out_w) continue;
        const int64_t at = (plane * args.out_h + y / p.stride_h) * args.out_w + x / p.stride_w;
        if (takes_maximum && load_global(p.indices + at) != ky * p.kernel_w + kx) continue;
        const float g = load_as(p.output_gradient, p.dtype, at);
        sum += takes_maximum ? g : g * share;
      }
    }
    store_as(sum, p.input_gradient, p.dtype, i);
  });
}

}  // namespace namp::cuda
