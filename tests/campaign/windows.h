// Sizes of windows, and of convolutions, whose calls have the same fields.
#pragma once

#include <algorithm>

#include "call.h"

namespace namp_campaign {

// The sizes of a window; the input is at least as large as its reach.
struct Window {
  int64_t in, kernel, stride, pad, dilation, out;
};
inline Window draw_window(Call& c, bool dilated, int64_t most_kernel) {
  Window w{};
  w.kernel = c.random.between(1, most_kernel);
  w.stride = c.random.between(1, 3);
  w.pad = c.random.between(0, w.kernel / 2);
  w.dilation = dilated ? c.random.between(1, 2) : 1;
  const int64_t reach = w.dilation * (w.kernel - 1) + 1;
  w.in = std::max<int64_t>(1, reach - 2 * w.pad) + c.random.below(7);
  w.out = (w.in + 2 * w.pad - reach) / w.stride + 1;
  return w;
}

// The fields of an image's two windows, but for dilations.
template <class Args>
void take_windows(Call& c, Args& a, const Window& h, const Window& w) {
  c.size(a.in_h, h.in);
  c.size(a.in_w, w.in);
  c.size(a.kernel_h, h.kernel);
  c.size(a.kernel_w, w.kernel);
  c.size(a.stride_h, h.stride);
  c.size(a.stride_w, w.stride);
  c.size(a.pad_h, h.pad);
  c.size(a.pad_w, w.pad);
}

// Numbers of elements.
struct Convolution {
  int64_t inputs, weights, outputs;
};

// Draws the sizes and the activation of a convolution.
template <class Args>
Convolution draw_convolution(Call& c, Args& a) {
  const Window h = draw_window(c, true, 4), w = draw_window(c, true, 4);
  c.size(a.batch, c.small(4));
  c.size(a.groups, c.random.of<int64_t>({1, 1, 2, 3}));
  c.size(a.in_channels, a.groups * c.random.between(1, 3));
  c.size(a.out_channels, a.groups * c.random.between(1, 3));
  take_windows(c, a, h, w);
  c.size(a.dilation_h, h.dilation);
  c.size(a.dilation_w, w.dilation);
  c.choice(a.activation, {NAMP_ACTIVATION_NONE, NAMP_ACTIVATION_RELU});
  return {a.batch * a.in_channels * h.in * w.in,
          a.out_channels * (a.in_channels / a.groups) * h.kernel * w.kernel,
          a.batch * a.out_channels * h.out * w.out};
}

}  // namespace namp_campaign
