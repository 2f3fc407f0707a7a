// Checks of the arguments of element-wise activations.
#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"
#include "activation_facts.h"

namespace namp {
namespace {

void check_activation(const namp_activation_args* args) {
  check_struct(args, "args");
  check_range(args->activation, NAMP_ACTIVATION_NONE, NAMP_ACTIVATION_TANH, "args->activation");
  check_float_dtype(args->dtype, "args->dtype");
  check_count(args->count, "args->count");
}

}  // namespace
}  // namespace namp

int32_t namp_activation_forward(namp_device* device, const namp_activation_args* args,
                                namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_activation(args);
    namp::check_tensor(args->input, args->dtype, args->count, "args->input");
    namp::check_tensor(args->output, args->dtype, args->count, "args->output");
    if (args->count != 0) checked->backend->activation_forward(*args, stream);
  });
}

int32_t namp_activation_backward(namp_device* device, const namp_activation_args* args,
                                 namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_activation(args);
    if (namp::saves_output(args->activation)) {
      namp::check_tensor(args->output, args->dtype, args->count, "args->output");
    } else if (args->activation != NAMP_ACTIVATION_NONE) {
      namp::check_tensor(args->input, args->dtype, args->count, "args->input");
    }
    namp::check_tensor(args->output_gradient, args->dtype, args->count, "args->output_gradient");
    namp::check_tensor(args->input_gradient, args->dtype, args->count, "args->input_gradient");
    if (args->count != 0) checked->backend->activation_backward(*args, stream);
  });
}
