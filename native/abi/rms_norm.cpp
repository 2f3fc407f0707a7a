// Checks of the arguments of RMS norm.
#include "abi/check_norm.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// The number of elements.
int64_t check_rms_norm(const namp_rms_norm_args* args) {
  const int64_t count = check_norm(args);
  check_tensor(args->input, args->input_dtype, count, "args->input");
  check_tensor(args->inverse_rms, NAMP_FLOAT32, args->rows, "args->inverse_rms");
  return count;
}

}  // namespace
}  // namespace namp

int32_t namp_rms_norm_forward(namp_device* device, const namp_rms_norm_args* args,
                              namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_rms_norm(args);
    namp::check_tensor(args->output, args->output_dtype, count, "args->output");
    if (count != 0) checked->backend->rms_norm_forward(*args, stream);
  });
}

int32_t namp_rms_norm_backward(namp_device* device, const namp_rms_norm_args* args,
                               namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_rms_norm(args);
    namp::check_norm_gradients(*args, count);
    if (count != 0) {
      checked->backend->rms_norm_backward(*args, stream);
    } else {
      namp::clear_norm_gradient(*checked->backend, args->gamma_gradient, args->width, stream);
    }
  });
}
