// namp_pool2d_*: checks before a backend runs.
#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"
#include "abi/check_window.h"

namespace namp {
namespace {

// Numbers of elements of input and output.
struct Pool2dCounts {
  int64_t input;
  int64_t output;
};

Pool2dCounts check_pool2d(const namp_pool2d_args& args) {
  check_float_dtype(args.dtype, "dtype");
  check_range(args.pooling, NAMP_POOL_MAX, NAMP_POOL_AVERAGE, "pooling");
  check_count(args.planes, "planes");
  const int64_t out_h =
      check_window({args.in_h, args.kernel_h, args.stride_h, args.pad_h, 1}, "height");
  const int64_t out_w =
      check_window({args.in_w, args.kernel_w, args.stride_w, args.pad_w, 1}, "width");
  require(
      args.pad_h <= args.kernel_h / 2 && args.pad_w <= args.kernel_w / 2,
      "The padding is more than half the kernel; make it smaller, or a window would see no input.");
  if (args.pooling == NAMP_POOL_MAX) {
    check_range(check_product({args.kernel_h, args.kernel_w}, "kernel_h and kernel_w"), 1, 256,
                "kernel_h * kernel_w of a max pool");
  }
  return {check_product({args.planes, args.in_h, args.in_w}, "the input's sizes"),
          check_product({args.planes, out_h, out_w}, "the output's sizes")};
}

}  // namespace
}  // namespace namp

int32_t namp_pool2d_forward(namp_device* device, const namp_pool2d_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    const auto counts = namp::check_pool2d(*args);
    namp::check_tensor(args->input, args->dtype, counts.input, "input");
    namp::check_tensor(args->output, args->dtype, counts.output, "output");
    if (counts.output != 0) checked->backend->pool2d_forward(*args, stream);
  });
}

int32_t namp_pool2d_backward(namp_device* device, const namp_pool2d_args* args,
                             namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    const auto counts = namp::check_pool2d(*args);
    namp::check_tensor(args->output_gradient, args->dtype, counts.output, "output_gradient");
    namp::check_tensor(args->input_gradient, args->dtype, counts.input, "input_gradient");
    if (args->pooling == NAMP_POOL_MAX) {
      namp::check_tensor(args->indices, NAMP_UINT8, counts.output, "indices");
    }
    if (counts.input != 0) checked->backend->pool2d_backward(*args, stream);
  });
}
