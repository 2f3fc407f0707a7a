// namp_conv2d_*: checks before a backend runs.
#include "abi/check.h"
#include "abi/check_convolution.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

void check_gradient_dtype(int32_t dtype, int32_t of_tensors, const char* name) {
  if (dtype != NAMP_FLOAT32) check_same_dtype(dtype, of_tensors, name);
}

}  // namespace
}  // namespace namp

int32_t namp_conv2d_forward(namp_device* device, const namp_conv2d_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    const auto counts = namp::check_conv2d(*args);
    namp::check_tensor(args->input, args->dtype, counts.input, "input");
    namp::check_tensor(args->weight, args->dtype, counts.weight, "weight");
    namp::check_optional_tensor(args->bias, args->dtype, "bias");
    namp::check_tensor(args->output, args->dtype, counts.output, "output");
    if (counts.output == 0) return;
    namp_conv2d_args known = *args;
    known.weight_gradient_dtype = known.bias_gradient_dtype = NAMP_FLOAT32;
    checked->backend->conv2d_forward(known, stream);
  });
}

int32_t namp_conv2d_backward_data(namp_device* device, const namp_conv2d_args* args,
                                  namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    const auto counts = namp::check_conv2d(*args);
    namp::check_tensor(args->output_gradient, args->dtype, counts.output, "output_gradient");
    namp::check_tensor(args->weight, args->dtype, counts.weight, "weight");
    namp::check_tensor(args->input_gradient, args->dtype, counts.input, "input_gradient");
    if (counts.input == 0) return;
    namp_conv2d_args known = *args;
    known.weight_gradient_dtype = known.bias_gradient_dtype = NAMP_FLOAT32;
    checked->backend->conv2d_backward_data(known, stream);
  });
}

int32_t namp_conv2d_backward_weights(namp_device* device, const namp_conv2d_args* args,
                                     namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    const auto counts = namp::check_conv2d(*args);
    namp::check_gradient_dtype(args->weight_gradient_dtype, args->dtype, "weight_gradient_dtype");
    namp::check_tensor(args->input, args->dtype, counts.input, "input");
    namp::check_tensor(args->output_gradient, args->dtype, counts.output, "output_gradient");
    namp::check_tensor(args->weight_gradient, args->weight_gradient_dtype, counts.weight,
                       "weight_gradient");
    if (args->bias_gradient != nullptr) {
      namp::check_gradient_dtype(args->bias_gradient_dtype, args->dtype, "bias_gradient_dtype");
      namp::check_tensor(args->bias_gradient, args->bias_gradient_dtype, args->out_channels,
                         "bias_gradient");
    }
    namp_conv2d_args known = *args;
    known.bias_gradient_dtype = namp::dtype_of(args->bias_gradient, args->bias_gradient_dtype);
    checked->backend->conv2d_backward_weights(known, stream);
  });
}
