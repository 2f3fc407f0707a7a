#include "cuda/cublas_library.h"

#include "cuda/driver.h"

namespace namp::cuda {
namespace {

// cublasStatus_t
const char* name_of(CublasStatus status) {
  switch (status) {
    case 1:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case kCublasAllocFailed:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case kCublasInvalidValue:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case 8:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case kCublasNotSupported:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "an unknown error";
  }
}

}  // namespace

std::string describe_cublas_status(CublasStatus status) {
  return std::string(name_of(status)) + " (" + std::to_string(status) + ")";
}

int cuda_type_of(int32_t dtype) {
  return dtype == NAMP_FLOAT16    ? kCudaFloat16
         : dtype == NAMP_BFLOAT16 ? kCudaBFloat16
                                  : kCudaFloat32;
}

bool CublasFunctions::bind(const DynamicLibrary& from) {
  library = from.name();
  from.bind(set_workspace, "cublasSetWorkspace_v2");
  return from.bind(create, "cublasCreate_v2") && from.bind(destroy, "cublasDestroy_v2") &&
         from.bind(set_stream, "cublasSetStream_v2") &&
         from.bind(set_math_mode, "cublasSetMathMode") &&
         from.bind(multiply, "cublasGemmStridedBatchedEx");
}

void CublasFunctions::check(CublasStatus status, const char* call) const {
  if (status == 0) return;
  const std::string text =
      std::string(call) + " of " + library + " failed with " + describe_cublas_status(status) +
      ". An earlier error of the device may be reported here; to do without cuBLAS, set "
      "NATIVEAMP_CUBLAS_LIBRARY=none.";
  if (status != kCublasAllocFailed) throw Error(NAMP_ERROR_DEVICE, text);
  throw Error(NAMP_ERROR_OUT_OF_MEMORY, text + " " + describe_free_memory());
}

}  // namespace namp::cuda
