// Family 2, scaled backward: losses.
#include <cmath>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// The pointers that all losses have.
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

// The arguments, with fields that are not used in a known state.
namp_element_loss_args check_element_loss(const namp_element_loss_args& args) {
  check_range(args.kind, NAMP_LOSS_MSE, NAMP_LOSS_BINARY_CROSS_ENTROPY, "args->kind");
  check_float_dtype(args.prediction_dtype, "args->prediction_dtype");
  check_float_dtype(args.target_dtype, "args->target_dtype");
  check_count(args.count, "args->count");
  check_flag(args.mean, "args->mean");
  check_flag(args.for_target, "args->for_target");
  check_tensor(args.prediction, args.prediction_dtype, args.count, "args->prediction");
  check_tensor(args.target, args.target_dtype, args.count, "args->target");
  check_gradient(args.gradient, args.gradient_dtype);
  check_factors(args.loss, args.scale, args.upstream);
  if (args.kind == NAMP_LOSS_SMOOTH_L1) {
    require(std::isfinite(args.beta) && args.beta >= 0,
            "args->beta must be finite and 0 or more; 1 is usual, 0 is the absolute error.");
  }
  if (args.positive_weight != nullptr) {
    require(args.kind == NAMP_LOSS_BINARY_CROSS_ENTROPY,
            "args->positive_weight is of NAMP_LOSS_BINARY_CROSS_ENTROPY alone; set it to null.");
    check_period(args.weight_period, args.count, "args->weight_period");
    check_tensor(args.positive_weight, NAMP_FLOAT32, args.weight_period, "args->positive_weight");
  }
  namp_element_loss_args known = args;
  known.gradient_dtype = dtype_of(args.gradient, args.gradient_dtype);
  return known;
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
    namp::check_optional_tensor(args->class_weights, NAMP_FLOAT32, "args->class_weights");
    namp::require(args->label_smoothing >= 0 && args->label_smoothing <= 1,
                  "args->label_smoothing must be from 0 to 1.");
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
    namp_element_loss_args loss{};
    loss.kind = NAMP_LOSS_MSE;
    loss.prediction_dtype = args->prediction_dtype;
    loss.target_dtype = args->target_dtype;
    loss.prediction = args->prediction;
    loss.target = args->target;
    loss.count = args->count;
    loss.mean = args->mean;
    loss.gradient_dtype = args->gradient_dtype;
    loss.loss = args->loss;
    loss.gradient = args->gradient;
    loss.scale = args->scale;
    loss.upstream = args->upstream;
    checked->backend->element_loss(namp::check_element_loss(loss), stream);
  });
}

int32_t namp_element_loss(namp_device* device, const namp_element_loss_args* args,
                          namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    checked->backend->element_loss(namp::check_element_loss(*args), stream);
  });
}
