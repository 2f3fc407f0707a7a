// The stand-ins' products: column-major GEMM in plain loops over the emulated device's memory, products
// and sums in FP32 (FP64 for doubles), one rounding at the end.
#pragma once

#include "cublas/cublas_api.h"

namespace nampemu {

struct Handle {
  CUstream stream = nullptr;
  int math_mode = 0;
  int pointer_mode = CUBLAS_POINTER_MODE_HOST;
  uint64_t workspace = 0;  // the caller's; 0: cuBLAS's own
  size_t workspace_bytes = 0;
};

// Null where cuBLAS made no such handle, or it is destroyed.
Handle* unwrap(cublasHandle_t handle);
cublasHandle_t create_handle();
void destroy_handle(Handle* handle);

struct Matrix {
  const void* data = nullptr;
  int type = 0;
  int rows = 0, columns = 0;  // as stored
  int leading = 0;
  long long stride = 0;
  uint64_t bytes() const;
  uint64_t address(int batch) const;
  void* storage(int batch) const;
};

// Beside a product; null: there is none.
struct Vector {
  const void* data = nullptr;
  int type = 0;
};

// What becomes of an element of C before it is rounded: GELU of the tanh, or the element times its derivative at
// the argument that is kept.
enum class Gelu { kNone, kForward, kSlope };

struct Gemm {
  int transa = 0, transb = 0;
  int m = 0, n = 0, k = 0;
  const void* alpha = nullptr;
  const void* beta = nullptr;
  Matrix a, b, c;
  int batch = 1;
  int compute = 0;
  Vector bias;    // a value for each row of C
  Vector b_sums;  // where the sums of op(B)'s columns go
  Gelu gelu = Gelu::kNone;
  Matrix kept;  // the arguments: written by kForward if it has data, read by kSlope
};

// Bytes of an element; 0 for a type that is not known.
uint64_t size_of(int type);

// The combinations of the documentation's table that have FP32 or FP64 arithmetic.
bool supported(const Gemm& g);

// Checks, and puts the product on the handle's stream. Errors are those of the function who.
cublasStatus_t run(const char* who, const Handle& handle, const Gemm& g);

}  // namespace nampemu
