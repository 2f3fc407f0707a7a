// One cuBLAS, as it was found: its functions, with the types of their parameters.
#pragma once

#include <string>

#include "backend.h"
#include "cuda/driver_types.h"
#include "libraries/dynamic_library.h"

namespace namp::cuda {

using CublasStatus = int;
using CublasHandle = void*;

// From cuBLAS's documentation.
inline constexpr CublasStatus kCublasAllocFailed = 3;
inline constexpr CublasStatus kCublasInvalidValue = 7;
inline constexpr CublasStatus kCublasNotSupported = 15;
inline constexpr int kCublasOperationN = 0;
inline constexpr int kCublasOperationT = 1;
inline constexpr int kCudaFloat32 = 0;    // CUDA_R_32F
inline constexpr int kCudaFloat16 = 2;    // CUDA_R_16F
inline constexpr int kCudaBFloat16 = 14;  // CUDA_R_16BF
inline constexpr int kCublasCompute32F = 68;
inline constexpr int kCublasCompute32FFastTf32 = 77;
inline constexpr int kCublasDefaultAlgorithm = -1;
// CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: partial sums of half-precision products stay
// float32, as is promised.
inline constexpr int kCublasMathMode = 16;

struct CublasFunctions {
  CublasStatus(NAMP_DRIVER_CALL* create)(CublasHandle*) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* destroy)(CublasHandle) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* set_stream)(CublasHandle, Stream) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* set_math_mode)(CublasHandle, int) = nullptr;
  CublasStatus(NAMP_DRIVER_CALL* multiply)(CublasHandle, int, int, int, int, int, const void*,
                                           const void*, int, int, long long, const void*, int, int,
                                           long long, const void*, void*, int, int, long long, int,
                                           int, int) = nullptr;
  // Null before cuBLAS 11.
  CublasStatus(NAMP_DRIVER_CALL* set_workspace)(CublasHandle, void*, size_t) = nullptr;
  std::string library;

  // False where the library lacks one that is needed.
  bool bind(const DynamicLibrary& from);

  // Throws the error of a call that failed.
  void check(CublasStatus status, const char* call) const;
};

// A float dtype as cudaDataType.
int cuda_type_of(int32_t dtype);

// Calls; where the device has no memory for it, once more after the pool has given back what it
// keeps.
template <class Call>
CublasStatus with_memory(Backend::Workspace& workspace, const Call& call) {
  const CublasStatus status = call();
  if (status != kCublasAllocFailed) return status;
  workspace.trim();
  return call();
}

// "CUBLAS_STATUS_NOT_INITIALIZED (1)"
std::string describe_cublas_status(CublasStatus status);

}  // namespace namp::cuda
