// Checks of the arguments of sum.
#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

int32_t namp_sum(namp_device* device, const namp_sum_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    namp::check_float_dtype(args->out_dtype, "args->out_dtype");
    namp::check_float_dtype(args->in_dtype, "args->in_dtype");
    namp::check_range(args->accumulate, 0, 1, "args->accumulate");
    const int64_t count = namp::check_product({args->outer, args->channels, args->inner},
                                              "args->outer, args->channels and args->inner");
    namp::check_tensor(args->out, args->out_dtype, args->channels, "args->out");
    namp::check_tensor(args->in, args->in_dtype, count, "args->in");
    // The sum of no elements is 0, and is written.
    if (args->channels != 0) checked->backend->sum(*args, stream);
  });
}
