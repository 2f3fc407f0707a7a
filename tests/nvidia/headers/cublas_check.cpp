// native/cuda declares of cuBLAS the same as NVIDIA's cublas_v2.h.
#include "cuda/cublas_library.h"

#include <cublas_v2.h>

#include "gemm_functions.h"
#include "same.h"

namespace namp::cuda {
namespace {

#define NAMP_SAME_FUNCTION(member, theirs) \
  static_assert(SameFunction<decltype(CublasFunctions::member), decltype(theirs)>::value, #theirs)
NAMP_SAME_FUNCTION(create, &cublasCreate_v2);
NAMP_SAME_FUNCTION(destroy, &cublasDestroy_v2);
NAMP_SAME_FUNCTION(set_stream, &cublasSetStream_v2);
NAMP_SAME_FUNCTION(set_math_mode, &cublasSetMathMode);
NAMP_SAME_FUNCTION(set_workspace, &cublasSetWorkspace_v2);
static_assert(SameFunction<decltype(CublasFunctions::multiply), GemmStridedBatchedEx>::value);

#define NAMP_SAME(ours, theirs) static_assert(same_number(ours, theirs), #theirs)
NAMP_SAME(kCublasAllocFailed, CUBLAS_STATUS_ALLOC_FAILED);
NAMP_SAME(kCublasOperationN, CUBLAS_OP_N);
NAMP_SAME(kCublasOperationT, CUBLAS_OP_T);
NAMP_SAME(kCudaFloat32, CUDA_R_32F);
NAMP_SAME(kCudaFloat16, CUDA_R_16F);
NAMP_SAME(kCudaBFloat16, CUDA_R_16BF);
NAMP_SAME(kCublasCompute32F, CUBLAS_COMPUTE_32F);
NAMP_SAME(kCublasCompute32FFastTf32, CUBLAS_COMPUTE_32F_FAST_TF32);
NAMP_SAME(kCublasDefaultAlgorithm, CUBLAS_GEMM_DEFAULT);
NAMP_SAME(kCublasMathMode, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);

}  // namespace
}  // namespace namp::cuda
