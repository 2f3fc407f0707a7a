// cuBLAS, found at run time: products of matrices with float32 accumulation. Where there is none
// that works, the kernel of gemm.cu does the work.
#pragma once

#include <mutex>
#include <string>

#include "backend.h"
#include "cuda/cublas_library.h"
#include "cuda/cublas_lt.h"

namespace namp::cuda {

// One device's. It is looked for at the first question: a cuBLAS counts only once its handle was
// made in the device's context, which is current in every call.
class Cublas {
 public:
  // The compute capability, such as 80.
  explicit Cublas(int capability) : capability_(capability) {}
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;

  void release() noexcept;

  void set_allow_tf32(bool allow);

  bool is_there(Backend::Workspace& workspace);
  // Whether it brought along cuBLASLt, for multiply_with.
  bool has_light(Backend::Workspace& workspace);

  // On a queue, with the workspace of a stream: C = alpha op(A) op(B) + beta C, without bias and activation. False, and nothing done, where
  // there is no cuBLAS or the sizes are beyond its 32 bits.
  bool multiply(const namp_gemm_args& args, float beta, Stream queue, namp_stream stream,
                Backend::Workspace& workspace);

  // The same of one product, with args.beta, and its bias or row sums in the same launch, which are in C's
  // dtype. False, and nothing done, where this cuBLASLt cannot; there has to be one.
  bool multiply_with(LtEpilogue epilogue, const namp_gemm_args& args, Stream queue,
                     namp_stream stream, Backend::Workspace& workspace);

  // "cuBLAS libcublas.so.12", or why there is none; and what was there and did not work.
  std::string describe(Backend::Workspace& workspace);

 private:
  void find(Backend::Workspace& workspace);
  // Where a product is to be made; false where it cannot.
  bool begin(const namp_gemm_args& args, Stream queue, namp_stream stream,
             Backend::Workspace& workspace, CublasLt::Where& where);
  int compute_of(const namp_gemm_args& args) const;
  // Why this one does not do; "" where it does, and then handle_ is its.
  std::string start(const DynamicLibrary& library, Backend::Workspace& workspace);

  const int capability_;
  std::mutex mutex_;
  bool sought_ = false;
  bool allow_tf32_ = false;
  CublasFunctions functions_;
  CublasHandle handle_ = nullptr;
  CublasLt light_;
  std::string failures_;
};

}  // namespace namp::cuda
