// Sizes of a convolution, by the names in its loops.
#pragma once

#include "cpu/block_gemm.h"
#include "cpu/streaming.h"
#include "nativeamp.h"
#include "window.h"

namespace namp {

// Bytes of scratch memory in whole cache lines.
constexpr int64_t align(int64_t bytes) { return (bytes + 63) / 64 * 64; }

struct ConvolutionShape {
  // Of namp_conv2d_args or namp_int8_conv2d_args.
  template <class Args>
  explicit ConvolutionShape(const Args& args)
      : height{args.in_h, args.kernel_h, args.stride_h, args.pad_h, args.dilation_h},
        width{args.in_w, args.kernel_w, args.stride_w, args.pad_w, args.dilation_w},
        out_h(window_out(height)),
        out_w(window_out(width)),
        positions(out_h * out_w),
        pixels(args.in_h * args.in_w),
        group_in(args.in_channels / args.groups),
        group_out(args.out_channels / args.groups),
        taps(group_in * args.kernel_h * args.kernel_w) {}

  Window height;
  Window width;
  int64_t out_h;
  int64_t out_w;
  int64_t positions;  // of the output, in one channel
  int64_t pixels;     // of the input, in one channel
  int64_t group_in;   // channels of a group
  int64_t group_out;
  int64_t taps;  // inputs of one output: group_in * kernel_h * kernel_w
};

// Whether the columns of an image are the image itself.
inline bool is_pointwise(const ConvolutionShape& shape) {
  const auto of = [](const Window& axis) {
    return axis.kernel == 1 && axis.stride == 1 && axis.pad == 0;
  };
  return of(shape.height) && of(shape.width);
}

// What the forward pass, or that of the images' gradients, writes: the whole tensor, with positions from
// row to row, and forward bias and activation. Each worker waits for what it has streamed.
inline ProductOutput convolution_output(const namp_conv2d_args& args, bool backward,
                                        int64_t positions) {
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  ProductOutput output{backward ? args.input_gradient : args.output, dtype, positions};
  output.streams =
      streams(args.batch * (backward ? args.in_channels : args.out_channels) * positions);
  if (backward) return output;
  output.activation = static_cast<namp_activation>(args.activation);
  output.bias = args.bias;
  output.bias_dtype = dtype;
  output.bias_by_row = true;
  return output;
}

}  // namespace namp
