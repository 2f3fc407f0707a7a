// The checks of a convolution's sizes.
#pragma once

#include "abi/check.h"
#include "abi/check_window.h"

namespace namp {

// Numbers of elements of the tensors of a convolution.
struct Conv2dCounts {
  int64_t input;
  int64_t weight;
  int64_t output;
};

// Checks the sizes, dtype and activation of a convolution: namp_conv2d_args, or
// namp_int8_conv2d_args.
template <class Args>
Conv2dCounts check_conv2d(const Args& args) {
  check_float_dtype(args.dtype, "dtype");
  check_count(args.batch, "batch");
  check_positive(args.in_channels, "in_channels");
  check_positive(args.out_channels, "out_channels");
  check_positive(args.groups, "groups");
  require(args.in_channels % args.groups == 0, "groups does not divide in_channels; it must.");
  require(args.out_channels % args.groups == 0, "groups does not divide out_channels; it must.");
  const int64_t out_h = check_window(
      {args.in_h, args.kernel_h, args.stride_h, args.pad_h, args.dilation_h}, "height");
  const int64_t out_w =
      check_window({args.in_w, args.kernel_w, args.stride_w, args.pad_w, args.dilation_w}, "width");
  check_range(args.activation, NAMP_ACTIVATION_NONE, NAMP_ACTIVATION_RELU, "activation");
  const int64_t group_channels = args.in_channels / args.groups;
  check_product({group_channels, args.kernel_h, args.kernel_w, 64}, "the inputs of 64 outputs");
  return {
      check_product({args.batch, args.in_channels, args.in_h, args.in_w}, "the input's sizes"),
      check_product({args.out_channels, group_channels, args.kernel_h, args.kernel_w},
                    "the weight's sizes"),
      check_product({args.batch, args.out_channels, out_h, out_w}, "the output's sizes"),
  };
}

}  // namespace namp
