// Checks of the arguments of dropout, add and multiply.
#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

int32_t namp_dropout(namp_device* device, void* output, const void* input, int32_t dtype,
                     int64_t count, float probability, uint64_t seed, uint64_t offset,
                     const uint64_t* offset_base, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    const namp_dtype known = namp::check_float_dtype(dtype, "dtype");
    namp::check_count(count, "count");
    namp::require(probability >= 0 && probability < 1,
                  "probability must be 0 or more and less than 1.");
    namp::check_tensor(output, dtype, count, "output");
    namp::check_tensor(input, dtype, count, "input");
    if (offset_base != nullptr) namp::check_object(offset_base, "offset_base");
    if (count != 0) {
      checked->backend->dropout(output, input, known, count, probability, seed, offset, offset_base,
                                stream);
    }
  });
}

int32_t namp_add(namp_device* device, const namp_add_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    namp::check_float_dtype(args->out_dtype, "args->out_dtype");
    namp::check_float_dtype(args->a_dtype, "args->a_dtype");
    namp::check_count(args->count, "args->count");
    namp::check_tensor(args->out, args->out_dtype, args->count, "args->out");
    namp::check_tensor(args->a, args->a_dtype, args->count, "args->a");
    if (args->b != nullptr) {
      namp::check_float_dtype(args->b_dtype, "args->b_dtype");
      namp::check_optional_tensor(args->b, args->b_dtype, "args->b");
      namp::check_period(args->b_period, args->count, "args->b_period");
    }
    namp_add_args known = *args;
    known.b_dtype = namp::dtype_of(args->b, args->b_dtype);
    if (args->count != 0) checked->backend->add(known, stream);
  });
}

int32_t namp_multiply(namp_device* device, const namp_multiply_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    namp::check_float_dtype(args->dtype, "args->dtype");
    namp::check_count(args->count, "args->count");
    namp::check_period(args->b_period, args->count, "args->b_period");
    namp::check_tensor(args->out, args->dtype, args->count, "args->out");
    namp::check_tensor(args->a, args->dtype, args->count, "args->a");
    namp::check_tensor(args->b, args->dtype, args->b_period, "args->b");
    if (args->count != 0) checked->backend->multiply(*args, stream);
  });
}
