// Arguments of RMS norm.
#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// The number of elements.
int64_t check_rms_norm(const namp_rms_norm_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->input_dtype, "args->input_dtype");
  check_float_dtype(args->output_dtype, "args->output_dtype");
  check_epsilon(args->epsilon);
  check_positive(args->width, "args->width");
  const int64_t count = check_product({args->rows, args->width}, "args->rows and args->width");
  check_tensor(args->input, args->input_dtype, count, "args->input");
  check_optional_tensor(args->gamma, NAMP_FLOAT32, "args->gamma");
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
    namp::check_tensor(args->output_gradient, args->output_dtype, count, "args->output_gradient");
    namp::check_tensor(args->input_gradient, args->input_dtype, count, "args->input_gradient");
    namp::check_optional_tensor(args->gamma_gradient, NAMP_FLOAT32, "args->gamma_gradient");
    if (count != 0) {
      checked->backend->rms_norm_backward(*args, stream);
    } else if (args->gamma_gradient != nullptr) {
      checked->backend->fill(args->gamma_gradient, 0,
                             args->width * static_cast<int64_t>(sizeof(float)), stream);
    }
  });
}
