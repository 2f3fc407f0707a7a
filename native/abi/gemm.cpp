// namp_gemm: checks before a backend runs.
#include <algorithm>
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

namespace namp {
namespace {

// Checks a batch of stored matrices of rows x columns: the distance between rows is at least a row,
// and the last element's index does not overflow.
void check_matrix(const void* pointer, int32_t dtype, int64_t rows, int64_t columns,
                  int64_t leading, int64_t stride, int64_t batch, const char* name) {
  const std::string text(name);
  check_range(leading, columns, kMaxElements, ("ld" + text).c_str());
  check_range(stride, 0, kMaxElements, ("stride_" + text).c_str());
  check_product({batch, stride}, ("batch and stride_" + text).c_str());
  if (rows == 0 || columns == 0) return;
  check_product({rows, leading}, ("the rows of " + text + " and ld" + text).c_str());
  check_tensor(pointer, dtype, 1, name);
}

void check_gemm(const namp_gemm_args& args) {
  const bool transpose_a = check_flag(args.transpose_a, "transpose_a");
  const bool transpose_b = check_flag(args.transpose_b, "transpose_b");
  const namp_dtype dtype = check_float_dtype(args.a_dtype, "a_dtype");
  check_same_dtype(args.b_dtype, dtype, "b_dtype");
  if (args.c_dtype != NAMP_FLOAT32) check_same_dtype(args.c_dtype, dtype, "c_dtype");
  check_count(args.m, "m");
  check_count(args.n, "n");
  check_count(args.k, "k");
  check_product({args.m, args.n}, "m and n");
  check_product({args.m, args.k}, "m and k");
  check_product({args.k, args.n}, "k and n");
  check_range(args.activation, NAMP_ACTIVATION_NONE, NAMP_ACTIVATION_GELU_TANH, "activation");
  const int64_t batch = std::max<int64_t>(1, check_count(args.batch, "batch"));
  check_matrix(args.a, dtype, transpose_a ? args.k : args.m, transpose_a ? args.m : args.k,
               args.lda, args.stride_a, batch, "a");
  check_matrix(args.b, dtype, transpose_b ? args.n : args.k, transpose_b ? args.k : args.n,
               args.ldb, args.stride_b, batch, "b");
  check_matrix(args.c, args.c_dtype, args.m, args.n, args.ldc, args.stride_c, batch, "c");
  require(batch == 1 || args.stride_c != 0 || args.m == 0 || args.n == 0,
          "stride_c is 0 with more than one product; give each its own C.");
  if (args.bias != nullptr) {
    check_tensor(args.bias, check_float_dtype(args.bias_dtype, "bias_dtype"), args.n, "bias");
  }
  check_optional_tensor(args.pre_activation, args.c_dtype, "pre_activation");
  require(args.pre_activation == nullptr || args.pre_activation != args.c,
          "pre_activation is c; they are two outputs and need memory of their own.");
  if (args.row_sums != nullptr) {
    check_tensor(args.row_sums, args.c_dtype, args.m, "row_sums");
    require(transpose_a && args.lda == args.m && batch == 1,
            "row_sums are given with one product whose A is stored transposed, with lda m; sum the "
            "rows of another A by namp_sum.");
    require(args.row_sums != args.c && args.row_sums != args.pre_activation,
            "row_sums is c or pre_activation; they are outputs that need memory of their own.");
  }
  if (args.activation_kept == nullptr) return;
  check_tensor(args.activation_kept, args.c_dtype, 1, "activation_kept");
  require(args.activation_kept != args.c,
          "activation_kept is c, which is written; it needs memory of its own.");
  require(args.bias == nullptr && args.pre_activation == nullptr && args.beta == 0.0f,
          "activation_kept is given for a gradient, which has no bias and no pre_activation and is "
          "not added to C; leave them null and beta 0.");
}

}  // namespace
}  // namespace namp

int32_t namp_gemm(namp_device* device, const namp_gemm_args* args, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    namp::check_struct(args, "args");
    namp::check_gemm(*args);
    if (args->m == 0) return;
    if (args->n == 0) {
      if (args->row_sums != nullptr) checked->backend->sum(namp::row_sums_of(*args), stream);
      return;
    }
    namp_gemm_args counted = *args;
    if (counted.batch == 0) counted.batch = 1;
    counted.bias_dtype = namp::dtype_of(args->bias, args->bias_dtype);
    checked->backend->gemm(counted, stream);
  });
}
