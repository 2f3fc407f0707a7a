// namp_attention_*: checks before a backend runs.
#include <cmath>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

void check_strides(int64_t batch, int64_t head, int64_t time, const namp_attention_args& args,
                   const char* name) {
  check_count(batch, name);
  check_count(head, name);
  check_count(time, name);
  check_product({args.batch, batch}, name);
  check_product({args.heads, head}, name);
  check_product({args.time, time}, name);
}

// The number of elements; 0 means that there is nothing to do.
int64_t check_attention(const namp_attention_args& args) {
  check_float_dtype(args.dtype, "dtype");
  check_flag(args.causal, "causal");
  require(std::isfinite(args.scale), "scale is not finite; 1 / sqrt(head_dim) is usual.");
  const int64_t count =
      check_product({args.batch, args.heads, args.time, args.head_dim}, "the sizes of attention");
  check_range(args.time, 0, int64_t{1} << 29, "time");
  check_range(args.head_dim, 0, int64_t{1} << 20, "head_dim");
  check_strides(args.batch_stride, args.head_stride, args.time_stride, args,
                "a stride of query, key and value");
  check_strides(args.output_batch_stride, args.output_head_stride, args.output_time_stride, args,
                "a stride of output");
  check_tensor(args.query, args.dtype, count, "query");
  check_tensor(args.key, args.dtype, count, "key");
  check_tensor(args.value, args.dtype, count, "value");
  check_tensor(args.output, args.dtype, count, "output");
  check_tensor(args.log_sum_exp, NAMP_FLOAT32, count, "log_sum_exp");
  return count;
}

}  // namespace
}  // namespace namp

int32_t namp_attention_forward(namp_device* device, const namp_attention_args* args,
                               namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    if (namp::check_attention(*args) != 0) checked->backend->attention_forward(*args, stream);
  });
}

int32_t namp_attention_backward(namp_device* device, const namp_attention_args* args,
                                namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    const int64_t count = namp::check_attention(*args);
    namp::check_tensor(args->output_gradient, args->dtype, count, "output_gradient");
    namp::check_tensor(args->query_gradient, args->dtype, count, "query_gradient");
    namp::check_tensor(args->key_gradient, args->dtype, count, "key_gradient");
    namp::check_tensor(args->value_gradient, args->dtype, count, "value_gradient");
    if (count != 0) checked->backend->attention_backward(*args, stream);
  });
}
