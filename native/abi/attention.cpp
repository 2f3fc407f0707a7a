// namp_attention_*: checks before a backend runs.
#include <cmath>
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// A tensor of [batch, heads, time, head_dim] by its strides.
void check_strides(const namp_attention_args& args, int64_t heads, int64_t time,
                   const int64_t (&strides)[3], const char* name) {
  for (const int64_t stride : strides)
    check_count(stride, name);
  check_product({args.batch, strides[0]}, name);
  check_product({heads, strides[1]}, name);
  check_product({time, strides[2]}, name);
}

void check_groups(const namp_attention_args& args) {
  if (args.key_heads == 0 || args.heads % args.key_heads != 0) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         "key_heads is " + std::to_string(args.key_heads) + ", and does not divide heads, " +
             std::to_string(args.heads) + "; it is the same, or fewer with grouped queries.");
  }
}

// The number of elements of the output; 0 means that there is nothing to do.
int64_t check_attention(const namp_attention_args& args) {
  check_float_dtype(args.dtype, "dtype");
  check_flag(args.causal, "causal");
  require(std::isfinite(args.scale), "scale is not finite; 1 / sqrt(head_dim) is usual.");
  const int64_t count = check_product({args.batch, args.heads, args.query_time, args.head_dim},
                                      "the sizes of attention");
  const int64_t keys = check_product({args.batch, args.key_heads, args.key_time, args.head_dim},
                                     "the sizes of attention's keys");
  check_range(args.query_time, 0, int64_t{1} << 29, "query_time");
  check_range(args.key_time, 0, int64_t{1} << 29, "key_time");
  check_range(args.head_dim, 0, int64_t{1} << 20, "head_dim");
  check_strides(args, args.heads, args.query_time,
                {args.query_batch_stride, args.query_head_stride, args.query_time_stride},
                "a stride of query");
  check_strides(args, args.key_heads, args.key_time,
                {args.key_batch_stride, args.key_head_stride, args.key_time_stride},
                "a stride of key and value");
  check_strides(args, args.heads, args.query_time,
                {args.output_batch_stride, args.output_head_stride, args.output_time_stride},
                "a stride of output");
  if (args.causal != 0 && args.query_time > args.key_time) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         "query_time is " + std::to_string(args.query_time) + ", and key_time " +
             std::to_string(args.key_time) +
             "; causal attention needs a key for each query, its own and those before.");
  }
  if (count != 0) {
    check_positive(args.key_time, "key_time");
    check_groups(args);
  }
  check_tensor(args.query, args.dtype, count, "query");
  check_tensor(args.key, args.dtype, count == 0 ? 0 : keys, "key");
  check_tensor(args.value, args.dtype, count == 0 ? 0 : keys, "value");
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
    // Keys that no query is there for have gradients of zeros.
    const int64_t keys =
        args->heads == 0 ? 0 : args->batch * args->key_heads * args->key_time * args->head_dim;
    namp::check_tensor(args->key_gradient, args->dtype, keys, "key_gradient");
    namp::check_tensor(args->value_gradient, args->dtype, keys, "value_gradient");
    if (keys != 0) {
      namp::check_groups(*args);
      checked->backend->attention_backward(*args, stream);
    }
  });
}
