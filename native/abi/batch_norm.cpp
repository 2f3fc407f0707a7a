// Checks of the arguments of batch norm.
#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// The number of elements.
int64_t check_batch_norm(const namp_batch_norm_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->dtype, "args->dtype");
  check_epsilon(args->epsilon);
  const bool training = check_flag(args->training, "args->training");
  const int64_t count = check_product({args->batch, args->channels, args->inner},
                                      "args->batch, args->channels and args->inner");
  check_tensor(args->input, args->dtype, count, "args->input");
  check_optional_tensor(args->gamma, NAMP_FLOAT32, "args->gamma");
  check_optional_tensor(args->beta, NAMP_FLOAT32, "args->beta");
  if (training) {
    require(args->channels == 0 ||
                check_product({args->batch, args->inner}, "args->batch and args->inner") > 1,
            "args->batch * args->inner must be 2 or more in training: one value has no variance.");
    check_tensor(args->mean, NAMP_FLOAT32, args->channels, "args->mean");
    check_tensor(args->inverse_deviation, NAMP_FLOAT32, args->channels, "args->inverse_deviation");
    check_optional_tensor(args->running_mean, NAMP_FLOAT32, "args->running_mean");
    check_optional_tensor(args->running_variance, NAMP_FLOAT32, "args->running_variance");
  } else {
    check_tensor(args->running_mean, NAMP_FLOAT32, args->channels, "args->running_mean");
    check_tensor(args->running_variance, NAMP_FLOAT32, args->channels, "args->running_variance");
  }
  return count;
}

}  // namespace
}  // namespace namp

int32_t namp_batch_norm_forward(namp_device* device, const namp_batch_norm_args* args,
                                namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_batch_norm(args);
    namp::require(args->momentum >= 0 && args->momentum <= 1,
                  "args->momentum must be from 0 to 1; 0.1 is usual.");
    namp::check_tensor(args->output, args->dtype, count, "args->output");
    if (count != 0) checked->backend->batch_norm_forward(*args, stream);
  });
}

int32_t namp_batch_norm_backward(namp_device* device, const namp_batch_norm_args* args,
                                 namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const int64_t count = namp::check_batch_norm(args);
    namp::check_tensor(args->output_gradient, args->dtype, count, "args->output_gradient");
    namp::check_tensor(args->input_gradient, args->dtype, count, "args->input_gradient");
    namp::check_optional_tensor(args->gamma_gradient, NAMP_FLOAT32, "args->gamma_gradient");
    namp::check_optional_tensor(args->beta_gradient, NAMP_FLOAT32, "args->beta_gradient");
    if (args->channels != 0) checked->backend->batch_norm_backward(*args, stream);
  });
}
