// cuBLAS, found at run time: products of matrices with float32 accumulation. Where it is missing,
// the kernel of gemm.cu does the work.
#pragma once

#include <mutex>
#include <string>

#include "cuda/driver.h"
#include "nativeamp.h"

namespace namp::cuda {

// One device's handle, made at the first product. The context is current in every call.
class Cublas {
 public:
  Cublas() = default;
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  void release() noexcept;

  static bool is_there();

  // C = alpha op(A) op(B) + beta C, without bias and activation. False, and nothing done, where
  // there is no cuBLAS or the sizes are beyond its 32 bits.
  bool multiply(const namp_gemm_args& args, float beta, Stream stream);

  // "cuBLAS libcublas.so.12", or why there is none.
  static std::string describe();

 private:
  std::mutex mutex_;
  void* handle_ = nullptr;
};

}  // namespace namp::cuda
