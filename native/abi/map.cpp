// Checks of the arguments of map and reduce.
#include <cmath>
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"
#include "lists/functions.h"

namespace namp {
namespace {

// The strides of an operand: 0 or more, and within the largest tensor.
void check_strides(const namp_map_args& args, const int64_t* strides, const std::string& name) {
  int64_t last = 0;
  for (int32_t d = 0; d < args.rank; ++d) {
    const std::string one = name + "[" + std::to_string(d) + "]";
    check_count(strides[d], one.c_str());
    const int64_t steps = args.shape[d] - 1;
    if (steps > 0 && strides[d] > (kMaxElements - last) / steps) {
      fail(NAMP_ERROR_INVALID_ARGUMENT,
           one + " is " + std::to_string(strides[d]) +
               "; with the shape it reaches beyond 2^58 elements. Make it smaller.");
    }
    last += steps * strides[d];
  }
}

// Those of the output, whose elements lie apart.
void check_out_strides(const namp_map_args& args) {
  check_strides(args, args.out_strides, "args->out_strides");
  int64_t least = 1;
  for (int32_t d = args.rank; d-- > 0;) {
    if (args.shape[d] == 1) continue;
    if (args.out_strides[d] < least) {
      fail(NAMP_ERROR_INVALID_ARGUMENT, "args->out_strides[" + std::to_string(d) + "] is " +
                                            std::to_string(args.out_strides[d]) +
                                            "; it must be at least " + std::to_string(least) +
                                            ", or elements of the output would overlap.");
    }
    least = args.out_strides[d] * args.shape[d];
  }
}

void check_numbers(const namp_map_args& args) {
  if (args.function == NAMP_FUNCTION_CLAMP || args.function == NAMP_FUNCTION_CLAMP_GRADIENT) {
    require(!std::isnan(args.p) && !std::isnan(args.q),
            "args->p and args->q, the bounds, must not be NaN; use infinities for none.");
  }
  if (args.function == NAMP_FUNCTION_POW || args.function == NAMP_FUNCTION_POW_GRADIENT)
    require(std::isfinite(args.p), "args->p, the exponent, must be finite.");
}

}  // namespace
}  // namespace namp

int32_t namp_map(namp_device* device, const namp_map_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    namp::check_range(args->function, NAMP_FUNCTION_SCALE, NAMP_FUNCTION_POW_GRADIENT,
                      "args->function");
    namp::check_float_dtype(args->out_dtype, "args->out_dtype");
    namp::check_float_dtype(args->a_dtype, "args->a_dtype");
    const bool two = namp::reads_b(args->function);
    if (two) namp::check_float_dtype(args->b_dtype, "args->b_dtype");
    namp::check_range(args->rank, 0, NAMP_MAP_MAX_RANK, "args->rank");
    namp::check_numbers(*args);
    int64_t sizes[NAMP_MAP_MAX_RANK] = {1, 1, 1, 1, 1, 1};
    for (int32_t d = 0; d < args->rank; ++d)
      sizes[d] = args->shape[d];
    static_assert(NAMP_MAP_MAX_RANK == 6);
    const int64_t count = namp::check_product(
        {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]}, "the sizes of args->shape");
    if (count != 0) {
      namp::check_out_strides(*args);
      namp::check_strides(*args, args->a_strides, "args->a_strides");
      if (two) namp::check_strides(*args, args->b_strides, "args->b_strides");
    }
    namp::check_tensor(args->out, args->out_dtype, count, "args->out");
    namp::check_tensor(args->a, args->a_dtype, count, "args->a");
    if (two) namp::check_tensor(args->b, args->b_dtype, count, "args->b");
    namp_map_args known = *args;
    if (!two) {
      known.b = nullptr;
      known.b_dtype = NAMP_FLOAT32;
    }
    if (count != 0) checked->backend->map(known, stream);
  });
}

int32_t namp_reduce(namp_device* device, const namp_reduce_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    namp::check_range(args->reduction, NAMP_REDUCTION_SUM, NAMP_REDUCTION_MAX, "args->reduction");
    namp::check_float_dtype(args->out_dtype, "args->out_dtype");
    namp::check_float_dtype(args->in_dtype, "args->in_dtype");
    const bool is_max = args->reduction == NAMP_REDUCTION_MAX;
    namp::check_range(args->accumulate, 0, is_max ? 0 : 1, "args->accumulate");
    const int64_t count = namp::check_product({args->outer, args->count, args->inner},
                                              "args->outer, args->count and args->inner");
    const int64_t results =
        namp::check_product({args->outer, args->inner}, "args->outer and args->inner");
    if (is_max && results != 0) namp::check_positive(args->count, "args->count");
    namp::check_tensor(args->out, args->out_dtype, results, "args->out");
    namp::check_tensor(args->in, args->in_dtype, count, "args->in");
    // The sum of no elements is 0, and is written.
    if (results != 0) checked->backend->reduce(*args, stream);
  });
}
