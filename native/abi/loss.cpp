// Family 2, scaled backward: losses.
#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// The pointers that both losses have.
void check_factors(const float* loss, const float* scale, const float* upstream) {
  check_optional_tensor(loss, NAMP_FLOAT32, "args->loss");
  check_optional_tensor(scale, NAMP_FLOAT32, "args->scale");
  check_optional_tensor(upstream, NAMP_FLOAT32, "args->upstream");
}

void check_gradient(const void* gradient, int32_t dtype) {
  if (gradient == nullptr) return;
  check_float_dtype(dtype, "args->gradient_dtype");
  check_tensor(gradient, dtype, 1, "args->gradient");
}

}  // namespace
}  // namespace namp

int32_t namp_cross_entropy(namp_device* device, const namp_cross_entropy_args* args,
                           namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    namp::check_float_dtype(args->logits_dtype, "args->logits_dtype");
    namp::check_count(args->rows, "args->rows");
    namp::check_positive(args->classes, "args->classes");
    const int64_t stride = args->row_stride == 0 ? args->classes : args->row_stride;
    namp::check_range(stride, args->classes, namp::kMaxElements, "args->row_stride");
    const int64_t count =
        namp::check_product({args->rows, stride}, "args->rows and args->row_stride");
    namp::check_flag(args->mean, "args->mean");
    namp::check_tensor(args->logits, args->logits_dtype, count, "args->logits");
    namp::check_tensor(args->labels, NAMP_INT32, args->rows, "args->labels");
    namp::check_gradient(args->gradient, args->gradient_dtype);
    namp::check_factors(args->loss, args->scale, args->upstream);
    namp::check_optional_tensor(args->row_sums, NAMP_FLOAT32, "args->row_sums");
    if (args->bad_label != nullptr) namp::check_object(args->bad_label, "args->bad_label");
    namp_cross_entropy_args known = *args;
    known.gradient_dtype = namp::dtype_of(args->gradient, args->gradient_dtype);
    known.row_stride = stride;
    checked->backend->cross_entropy(known, stream);
  });
}

int32_t namp_mse(namp_device* device, const namp_mse_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    namp::check_float_dtype(args->prediction_dtype, "args->prediction_dtype");
    namp::check_float_dtype(args->target_dtype, "args->target_dtype");
    namp::check_count(args->count, "args->count");
    namp::check_flag(args->mean, "args->mean");
    namp::check_tensor(args->prediction, args->prediction_dtype, args->count, "args->prediction");
    namp::check_tensor(args->target, args->target_dtype, args->count, "args->target");
    namp::check_gradient(args->gradient, args->gradient_dtype);
    namp::check_factors(args->loss, args->scale, args->upstream);
    namp_mse_args known = *args;
    known.gradient_dtype = namp::dtype_of(args->gradient, args->gradient_dtype);
    checked->backend->mse(known, stream);
  });
}
