// Checks of the arguments of layer norm.
#include "abi/check_norm.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// The number of elements. The caller checks the input: backward may do without it.
int64_t check_layer_norm(const namp_layer_norm_args* args) {
  const int64_t count = check_norm(args);
  check_optional_tensor(args->normalized, args->output_dtype, "args->normalized");
  if (args->normalized == nullptr) {
    check_tensor(args->mean, NAMP_FLOAT32, args->rows, "args->mean");
  } else {
    check_optional_tensor(args->mean, NAMP_FLOAT32, "args->mean");
  }
  check_tensor(args->inverse_deviation, NAMP_FLOAT32, args->rows, "args->inverse_deviation");
  return count;
}

}  // namespace
}  // namespace namp

int32_t namp_layer_norm_forward(namp_device* device, const namp_layer_norm_args* args,
                                namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_layer_norm(args);
    namp::check_tensor(args->input, args->input_dtype, count, "args->input");
    namp::check_optional_tensor(args->beta, NAMP_FLOAT32, "args->beta");
    namp::check_tensor(args->output, args->output_dtype, count, "args->output");
    if (count != 0) checked->backend->layer_norm_forward(*args, stream);
  });
}

int32_t namp_layer_norm_backward(namp_device* device, const namp_layer_norm_args* args,
                                 namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_layer_norm(args);
    if (args->normalized == nullptr) {
      namp::check_tensor(args->input, args->input_dtype, count, "args->input");
    }
    namp::check_norm_gradients(*args, count);
    namp::check_optional_tensor(args->beta_gradient, NAMP_FLOAT32, "args->beta_gradient");
    if (count != 0) {
      checked->backend->layer_norm_backward(*args, stream);
      return;
    }
    for (float* gradient : {args->gamma_gradient, args->beta_gradient})
      namp::clear_norm_gradient(*checked->backend, gradient, args->width, stream);
  });
}
