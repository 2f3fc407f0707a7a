// Checks of the arguments of embedding lookups.
#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

struct EmbeddingSizes {
  int64_t weight;
  int64_t output;
};

EmbeddingSizes check_embedding(const namp_embedding_args* args) {
  check_struct(args, "args");
  check_float_dtype(args->output_dtype, "args->output_dtype");
  const int64_t weight =
      check_product({args->vocabulary, args->width}, "args->vocabulary and args->width");
  const int64_t output = check_product({args->count, args->width}, "args->count and args->width");
  check_tensor(args->indices, NAMP_INT32, args->count, "args->indices");
  return {weight, output};
}

}  // namespace
}  // namespace namp

int32_t namp_embedding_forward(namp_device* device, const namp_embedding_args* args,
                               namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const auto sizes = namp::check_embedding(args);
    namp::check_float_dtype(args->weight_dtype, "args->weight_dtype");
    namp::check_tensor(args->weight, args->weight_dtype, sizes.weight, "args->weight");
    namp::check_tensor(args->output, args->output_dtype, sizes.output, "args->output");
    if (args->bad_index != nullptr) namp::check_object(args->bad_index, "args->bad_index");
    if (sizes.output != 0) checked->backend->embedding_forward(*args, stream);
  });
}

int32_t namp_embedding_backward(namp_device* device, const namp_embedding_args* args,
                                namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const auto sizes = namp::check_embedding(args);
    namp::check_range(args->accumulate, 0, 1, "args->accumulate");
    namp::check_tensor(args->output_gradient, args->output_dtype, sizes.output,
                       "args->output_gradient");
    namp::check_tensor(args->weight_gradient, NAMP_FLOAT32, sizes.weight, "args->weight_gradient");
    if (sizes.weight != 0) checked->backend->embedding_backward(*args, stream);
  });
}
