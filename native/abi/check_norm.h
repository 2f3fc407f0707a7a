// The checks that layer norm and RMS norm share: of namp_layer_norm_args and namp_rms_norm_args,
// whose fields of the same name mean the same.
#pragma once

#include "abi/check.h"
#include "backend.h"

namespace namp {

// The number of elements. The input is not checked: one of the norms can do without it.
template <class Args>
int64_t check_norm(const Args* args) {
  check_struct(args, "args");
  check_float_dtype(args->input_dtype, "args->input_dtype");
  check_float_dtype(args->output_dtype, "args->output_dtype");
  check_epsilon(args->epsilon);
  check_positive(args->width, "args->width");
  check_optional_tensor(args->gamma, NAMP_FLOAT32, "args->gamma");
  return check_product({args->rows, args->width}, "args->rows and args->width");
}

// The gradients of count elements.
template <class Args>
void check_norm_gradients(const Args& args, int64_t count) {
  check_tensor(args.output_gradient, args.output_dtype, count, "args->output_gradient");
  check_tensor(args.input_gradient, args.input_dtype, count, "args->input_gradient");
  check_optional_tensor(args.residual_gradient, args.input_dtype, "args->residual_gradient");
  check_optional_tensor(args.input_gradient_copy, args.output_dtype, "args->input_gradient_copy");
  require(args.input_gradient_copy == nullptr || args.input_dtype == NAMP_FLOAT32,
          "args->input_gradient_copy is of a float32 input_gradient; leave it null for an input in "
          "half precision.");
  check_optional_tensor(args.gamma_gradient, NAMP_FLOAT32, "args->gamma_gradient");
}

// The gradient of a parameter where there are no rows to sum over: zeros. gradient may be null.
inline void clear_norm_gradient(Backend& backend, float* gradient, int64_t width,
                                namp_stream stream) {
  if (gradient == nullptr) return;
  backend.fill(gradient, 0, width * static_cast<int64_t>(sizeof(float)), stream);
}

}  // namespace namp
