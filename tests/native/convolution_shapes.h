// Sizes of convolutions that tests share, and the products that make them up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace namp_test {

struct Shape {
  int64_t batch, in_channels, in_h, in_w, out_channels, kernel_h, kernel_w;
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;

  int64_t out_h() const {
    return (in_h + 2 * pad_h - dilation_h * (kernel_h - 1) - 1) / stride_h + 1;
  }
  int64_t out_w() const {
    return (in_w + 2 * pad_w - dilation_w * (kernel_w - 1) - 1) / stride_w + 1;
  }
  int64_t inputs() const { return batch * in_channels * in_h * in_w; }
  int64_t weights() const { return out_channels * in_channels / groups * kernel_h * kernel_w; }
  int64_t outputs() const { return batch * out_channels * out_h() * out_w(); }

  std::string text() const {
    std::string all = "convolution";
    for (const int64_t size : {batch, in_channels, in_h, in_w, out_channels, kernel_h, kernel_w,
                               stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups})
      all += " " + std::to_string(size);
    return all;
  }

  // The sizes of an argument struct.
  template <class Args>
  void set(Args& args) const {
    args.batch = batch;
    args.in_channels = in_channels;
    args.in_h = in_h;
    args.in_w = in_w;
    args.out_channels = out_channels;
    args.kernel_h = kernel_h;
    args.kernel_w = kernel_w;
    args.stride_h = stride_h;
    args.stride_w = stride_w;
    args.pad_h = pad_h;
    args.pad_w = pad_w;
    args.dilation_h = dilation_h;
    args.dilation_w = dilation_w;
    args.groups = groups;
  }
};

inline const Shape kShapes[] = {
    {2, 3, 9, 8, 4, 3, 3},
    {2, 3, 9, 8, 4, 3, 3, 1, 1, 1, 1},
    {2, 3, 9, 8, 4, 3, 3, 2, 2, 1, 1},
    {2, 3, 9, 8, 4, 5, 5, 2, 2, 2, 2},
    {2, 3, 9, 8, 4, 3, 3, 1, 1, 2, 2, 2, 2},
    {2, 3, 9, 8, 4, 1, 1},
    {3, 1, 14, 14, 32, 3, 3, 1, 1, 1, 1},
    {2, 32, 7, 7, 16, 3, 3, 1, 1, 1, 1},
    {1, 1, 1, 1, 1, 1, 1},
    {1, 2, 1, 13, 3, 1, 4, 1, 3, 0, 2},
    {2, 5, 7, 3, 7, 4, 2, 3, 1, 2, 1, 1, 2},
    {2, 6, 5, 6, 4, 3, 3, 1, 2, 1, 0, 1, 1, 2},
    {2, 8, 6, 5, 8, 3, 3, 1, 1, 1, 1, 1, 1, 8},
    {1, 2, 3, 3, 2, 3, 3, 1, 1, 5, 5},  // windows with only padding
    // Strides: more than one, not the same both ways, beyond the kernel, with dilations that skip
    // phases and with those that do not, beyond the image, with groups, and with inputs that no
    // output reads.
    {2, 3, 11, 9, 4, 1, 1, 2, 2},
    {2, 3, 11, 9, 4, 3, 3, 3, 3, 1, 1},
    {2, 4, 12, 9, 6, 2, 2, 3, 4, 0, 1, 1, 1, 2},
    {2, 3, 13, 15, 4, 3, 3, 2, 2, 2, 2, 2, 2},
    {2, 3, 13, 15, 4, 3, 2, 2, 4, 3, 1, 3, 2},
    {1, 2, 7, 6, 3, 3, 3, 5, 9, 1, 1},
    {2, 20, 9, 10, 18, 3, 3, 1, 2, 1, 1},
    {2, 20, 9, 10, 18, 3, 3, 2, 1, 1, 1},
    {1, 3, 17, 19, 5, 7, 7, 2, 2, 3, 3},
    // Depthwise: more taps than are summed at once, strides, dilations that skip phases, phases that no
    // tap writes, more rows than are summed at once.
    {3, 5, 15, 8, 5, 3, 3, 2, 2, 1, 1, 1, 1, 5},
    {2, 3, 9, 17, 3, 5, 4, 1, 2, 2, 1, 1, 1, 3},
    {1, 2, 13, 15, 2, 2, 3, 2, 2, 2, 3, 2, 3, 2},
    {2, 3, 10, 7, 3, 2, 2, 3, 5, 1, 1, 1, 1, 3},
    // Only the CPU has blocks, and these more than one of them: of columns, of planes (and a short
    // last one), within a row of the output, of channels.
    {1, 70, 41, 41, 3, 3, 3, 2, 2, 1, 1},
    {1, 118, 10, 6, 1, 2, 1, 1, 1, 60, 30},
    {1, 18, 3, 300, 2, 3, 3, 1, 1, 1, 1},
    {1, 3, 5, 4, 250, 3, 3, 1, 1, 1, 1},
    // With a stride, of planes and of channels (both ways); panels that are copied together, of
    // several images, of which the last ones are fewer, and of part of a sum; planes that do not fit.
    {1, 118, 10, 6, 1, 3, 1, 2, 2, 61, 30},
    {1, 250, 5, 4, 18, 3, 3, 2, 2, 1, 1},
    {5, 30, 2, 63, 48, 3, 3, 2, 2, 1, 1},
    {1, 48, 2, 64, 3, 3, 3, 2, 2, 1, 1},
    {1, 2, 1, 66, 64, 1, 3, 1, 1, 0, 1},
    {1, 4, 12, 9, 3, 1, 2, 2, 2, 0, 0, 1, 7},
    // Depthwise: of columns, of phases, of rows of planes, of images.
    {1, 2, 3, 300, 2, 3, 3, 1, 1, 1, 1, 1, 1, 2},
    {1, 2, 3, 700, 2, 3, 3, 2, 2, 1, 1, 1, 1, 2},
    {1, 1, 2, 88000, 1, 3, 1, 1, 1, 1},
    {67, 2, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 2},
    // Depthwise with a channel in each lane: two blocks, the second with fewer channels; strides,
    // dilations, windows with only padding, and more taps than are summed at once.
    {2, 19, 5, 6, 19, 3, 3, 1, 1, 1, 1, 1, 1, 19},
    {2, 16, 9, 7, 16, 2, 3, 2, 3, 3, 1, 1, 2, 16},
    {1, 33, 3, 4, 33, 3, 3, 1, 1, 3, 3, 1, 1, 33},
    {66, 16, 2, 3, 16, 2, 2, 1, 1, 1, 1, 1, 1, 16},
    {2, 17, 14, 13, 17, 4, 3, 1, 1, 1, 1, 1, 1, 17},
    // The weights' gradients: from images in place, from copies of a few, and in one product of the
    // batch, of columns in place, copied and gathered, which threads share.
    {2, 18, 14, 13, 5, 1, 1},
    {9, 18, 7, 9, 5, 1, 1},
    {1, 300, 7, 7, 20, 1, 1},
    {3, 300, 5, 7, 20, 1, 1},
    {2, 32, 7, 7, 35, 3, 3, 1, 1, 1, 1},
    {1, 5, 4, 5, 200, 1, 1},
    // Panels of images where they are, of several, of part of a sum and with groups; of weights whose
    // rows share few places of the cache; of all phases of the output, and of one at a time; and a kernel
    // too large for them.
    {2, 50, 23, 23, 256, 1, 1, 2, 2},
    {7, 300, 5, 11, 20, 1, 1},
    {3, 6, 4, 9, 100, 1, 1, 1, 1, 0, 0, 1, 1, 2},
    {1, 1024, 3, 5, 13, 1, 1},
    {1, 13, 3, 5, 1024, 1, 1},
    {2, 50, 5, 65, 9, 3, 3, 2, 2, 1, 1},
    {2, 50, 11, 100, 5, 2, 2, 3, 3, 0, 0, 4, 4},
    {1, 2, 20, 48, 48, 17, 16},
    // Panels of an odd number of channels, both ways; of weights that lie on few places of the cache for
    // each tap; of more taps than a vector has pairs.
    {2, 5, 9, 11, 170, 3, 3, 1, 1, 1, 1},
    {2, 170, 9, 11, 5, 3, 3, 1, 1, 1, 1},
    {1, 512, 4, 5, 3, 3, 3, 1, 1, 1, 1},
    {1, 4, 9, 33, 60, 5, 5, 1, 1, 2, 2},
    // Depthwise by lines: several bands of rows, and one row, without stride, with one, and with one along
    // a dimension.
    {1, 2, 90, 60, 2, 3, 3, 1, 1, 1, 1, 1, 1, 2},
    {2, 3, 1, 20, 3, 3, 3, 1, 1, 1, 1, 1, 1, 3},
    {1, 2, 70, 69, 2, 3, 3, 2, 2, 1, 1, 1, 1, 2},
    {2, 3, 2, 40, 3, 3, 3, 2, 2, 1, 1, 1, 1, 3},
    {1, 2, 9, 21, 2, 3, 3, 2, 1, 1, 1, 1, 1, 2},
    {1, 2, 9, 21, 2, 3, 3, 1, 2, 1, 0, 1, 1, 2},
};
inline constexpr ptrdiff_t kShapesOfBlocks = 43;

// Calls body(output, input, weight) for every product that makes up the convolution.
template <class Body>
void for_products(const Shape& s, Body&& body) {
  const int64_t out_h = s.out_h();
  const int64_t out_w = s.out_w();
  const int64_t group_in = s.in_channels / s.groups;
  const int64_t group_out = s.out_channels / s.groups;
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t o = 0; o < s.out_channels; ++o)
      for (int64_t y = 0; y < out_h; ++y)
        for (int64_t x = 0; x < out_w; ++x)
          for (int64_t c = 0; c < group_in; ++c)
            for (int64_t kh = 0; kh < s.kernel_h; ++kh)
              for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
                const int64_t in_y = y * s.stride_h - s.pad_h + kh * s.dilation_h;
                const int64_t in_x = x * s.stride_w - s.pad_w + kw * s.dilation_w;
                if (in_y < 0 || in_y >= s.in_h || in_x < 0 || in_x >= s.in_w) continue;
                const int64_t channel = o / group_out * group_in + c;
                body(((n * s.out_channels + o) * out_h + y) * out_w + x,
                     ((n * s.in_channels + channel) * s.in_h + in_y) * s.in_w + in_x,
                     ((o * group_in + c) * s.kernel_h + kh) * s.kernel_w + kw);
              }
}

}  // namespace namp_test
