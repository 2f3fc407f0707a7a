// The emulated GPU declares of the driver and of cuBLAS the same as NVIDIA's headers.
#include <cstddef>
#include <cstdint>

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda.h>

// Two declarations of one C function must be the same to a compiler: the emulator's get other
// names. One that is missing here does not compile.
#define cublasCreate_v2 emulated_cublasCreate_v2
#define cublasDestroy_v2 emulated_cublasDestroy_v2
#define cublasSetStream_v2 emulated_cublasSetStream_v2
#define cublasGetStream_v2 emulated_cublasGetStream_v2
#define cublasSetWorkspace_v2 emulated_cublasSetWorkspace_v2
#define cublasSetMathMode emulated_cublasSetMathMode
#define cublasGetMathMode emulated_cublasGetMathMode
#define cublasSetPointerMode_v2 emulated_cublasSetPointerMode_v2
#define cublasGetPointerMode_v2 emulated_cublasGetPointerMode_v2
#define cublasGetVersion_v2 emulated_cublasGetVersion_v2
#define cublasGetStatusString emulated_cublasGetStatusString
#define cublasGetStatusName emulated_cublasGetStatusName
#define cublasGemmEx emulated_cublasGemmEx
#define cublasGemmStridedBatchedEx emulated_cublasGemmStridedBatchedEx
#define cublasSgemm_v2 emulated_cublasSgemm_v2
#define cublasLtMatmulDescCreate emulated_cublasLtMatmulDescCreate
#define cublasLtMatmulDescDestroy emulated_cublasLtMatmulDescDestroy
#define cublasLtMatmulDescSetAttribute emulated_cublasLtMatmulDescSetAttribute
#define cublasLtMatrixLayoutCreate emulated_cublasLtMatrixLayoutCreate
#define cublasLtMatrixLayoutDestroy emulated_cublasLtMatrixLayoutDestroy
#define cublasLtMatmulPreferenceCreate emulated_cublasLtMatmulPreferenceCreate
#define cublasLtMatmulPreferenceDestroy emulated_cublasLtMatmulPreferenceDestroy
#define cublasLtMatmulPreferenceSetAttribute emulated_cublasLtMatmulPreferenceSetAttribute
#define cublasLtMatmulAlgoGetHeuristic emulated_cublasLtMatmulAlgoGetHeuristic
#define cublasLtMatmul emulated_cublasLtMatmul
namespace emulated {
#include "cublas/cublas_api.h"
#include "cublas/cublas_lt_api.h"
}  // namespace emulated
#undef cublasCreate_v2
#undef cublasDestroy_v2
#undef cublasSetStream_v2
#undef cublasGetStream_v2
#undef cublasSetWorkspace_v2
#undef cublasSetMathMode
#undef cublasGetMathMode
#undef cublasSetPointerMode_v2
#undef cublasGetPointerMode_v2
#undef cublasGetVersion_v2
#undef cublasGetStatusString
#undef cublasGetStatusName
#undef cublasGemmEx
#undef cublasGemmStridedBatchedEx
#undef cublasSgemm_v2
#undef cublasLtMatmulDescCreate
#undef cublasLtMatmulDescDestroy
#undef cublasLtMatmulDescSetAttribute
#undef cublasLtMatrixLayoutCreate
#undef cublasLtMatrixLayoutDestroy
#undef cublasLtMatmulPreferenceCreate
#undef cublasLtMatmulPreferenceDestroy
#undef cublasLtMatmulPreferenceSetAttribute
#undef cublasLtMatmulAlgoGetHeuristic
#undef cublasLtMatmul

#include "gemm_functions.h"
#include "same.h"

namespace {

#define NAMP_SAME_FUNCTION(name) \
  static_assert(SameFunction<decltype(&emulated::emulated_##name), decltype(&::name)>::value, #name)
NAMP_SAME_FUNCTION(cublasCreate_v2);
NAMP_SAME_FUNCTION(cublasDestroy_v2);
NAMP_SAME_FUNCTION(cublasSetStream_v2);
NAMP_SAME_FUNCTION(cublasGetStream_v2);
NAMP_SAME_FUNCTION(cublasSetWorkspace_v2);
NAMP_SAME_FUNCTION(cublasSetMathMode);
NAMP_SAME_FUNCTION(cublasGetMathMode);
NAMP_SAME_FUNCTION(cublasSetPointerMode_v2);
NAMP_SAME_FUNCTION(cublasGetPointerMode_v2);
NAMP_SAME_FUNCTION(cublasGetVersion_v2);
NAMP_SAME_FUNCTION(cublasGetStatusString);
NAMP_SAME_FUNCTION(cublasGetStatusName);
NAMP_SAME_FUNCTION(cublasSgemm_v2);
NAMP_SAME_FUNCTION(cublasLtMatmulDescCreate);
NAMP_SAME_FUNCTION(cublasLtMatmulDescDestroy);
NAMP_SAME_FUNCTION(cublasLtMatmulDescSetAttribute);
NAMP_SAME_FUNCTION(cublasLtMatrixLayoutCreate);
NAMP_SAME_FUNCTION(cublasLtMatrixLayoutDestroy);
NAMP_SAME_FUNCTION(cublasLtMatmulPreferenceCreate);
NAMP_SAME_FUNCTION(cublasLtMatmulPreferenceDestroy);
NAMP_SAME_FUNCTION(cublasLtMatmulPreferenceSetAttribute);
NAMP_SAME_FUNCTION(cublasLtMatmulAlgoGetHeuristic);
NAMP_SAME_FUNCTION(cublasLtMatmul);
static_assert(SameFunction<decltype(&emulated::emulated_cublasGemmEx), GemmEx>::value);
static_assert(SameFunction<decltype(&emulated::emulated_cublasGemmStridedBatchedEx),
                           GemmStridedBatchedEx>::value);

#define NAMP_SAME(name) static_assert(same_number(emulated::name, ::name), #name)
NAMP_SAME(CUDA_SUCCESS);
NAMP_SAME(CUDA_ERROR_INVALID_VALUE);
NAMP_SAME(CUDA_ERROR_OUT_OF_MEMORY);
NAMP_SAME(CUDA_ERROR_NOT_INITIALIZED);
NAMP_SAME(CUDA_ERROR_DEINITIALIZED);
NAMP_SAME(CUDA_ERROR_NO_DEVICE);
NAMP_SAME(CUDA_ERROR_INVALID_DEVICE);
NAMP_SAME(CUDA_ERROR_INVALID_IMAGE);
NAMP_SAME(CUDA_ERROR_INVALID_CONTEXT);
NAMP_SAME(CUDA_ERROR_NO_BINARY_FOR_GPU);
NAMP_SAME(CUDA_ERROR_INVALID_PTX);
NAMP_SAME(CUDA_ERROR_INVALID_SOURCE);
NAMP_SAME(CUDA_ERROR_FILE_NOT_FOUND);
NAMP_SAME(CUDA_ERROR_OPERATING_SYSTEM);
NAMP_SAME(CUDA_ERROR_INVALID_HANDLE);
NAMP_SAME(CUDA_ERROR_ILLEGAL_STATE);
NAMP_SAME(CUDA_ERROR_NOT_FOUND);
NAMP_SAME(CUDA_ERROR_NOT_READY);
NAMP_SAME(CUDA_ERROR_ILLEGAL_ADDRESS);
NAMP_SAME(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
NAMP_SAME(CUDA_ERROR_LAUNCH_TIMEOUT);
NAMP_SAME(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
NAMP_SAME(CUDA_ERROR_CONTEXT_IS_DESTROYED);
NAMP_SAME(CUDA_ERROR_ILLEGAL_INSTRUCTION);
NAMP_SAME(CUDA_ERROR_MISALIGNED_ADDRESS);
NAMP_SAME(CUDA_ERROR_LAUNCH_FAILED);
NAMP_SAME(CUDA_ERROR_NOT_PERMITTED);
NAMP_SAME(CUDA_ERROR_NOT_SUPPORTED);
NAMP_SAME(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
NAMP_SAME(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
NAMP_SAME(CUDA_ERROR_STREAM_CAPTURE_MERGE);
NAMP_SAME(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
NAMP_SAME(CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
NAMP_SAME(CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
NAMP_SAME(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
NAMP_SAME(CUDA_ERROR_CAPTURED_EVENT);
NAMP_SAME(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
NAMP_SAME(CUDA_ERROR_UNKNOWN);
NAMP_SAME(CUBLAS_STATUS_SUCCESS);
NAMP_SAME(CUBLAS_STATUS_NOT_INITIALIZED);
NAMP_SAME(CUBLAS_STATUS_ALLOC_FAILED);
NAMP_SAME(CUBLAS_STATUS_INVALID_VALUE);
NAMP_SAME(CUBLAS_STATUS_ARCH_MISMATCH);
NAMP_SAME(CUBLAS_STATUS_MAPPING_ERROR);
NAMP_SAME(CUBLAS_STATUS_EXECUTION_FAILED);
NAMP_SAME(CUBLAS_STATUS_INTERNAL_ERROR);
NAMP_SAME(CUBLAS_STATUS_NOT_SUPPORTED);
NAMP_SAME(CUBLAS_STATUS_LICENSE_ERROR);
NAMP_SAME(CUBLAS_OP_N);
NAMP_SAME(CUBLAS_OP_T);
NAMP_SAME(CUBLAS_OP_C);
NAMP_SAME(CUBLAS_POINTER_MODE_HOST);
NAMP_SAME(CUBLAS_POINTER_MODE_DEVICE);
NAMP_SAME(CUDA_R_32F);
NAMP_SAME(CUDA_R_64F);
NAMP_SAME(CUDA_R_16F);
NAMP_SAME(CUDA_R_16BF);
NAMP_SAME(CUBLAS_COMPUTE_16F);
NAMP_SAME(CUBLAS_COMPUTE_32F);
NAMP_SAME(CUBLAS_COMPUTE_32F_PEDANTIC);
NAMP_SAME(CUBLAS_COMPUTE_32F_FAST_16F);
NAMP_SAME(CUBLAS_COMPUTE_32F_FAST_16BF);
NAMP_SAME(CUBLAS_COMPUTE_32F_FAST_TF32);
NAMP_SAME(CUBLAS_COMPUTE_64F);
NAMP_SAME(CUBLASLT_MATMUL_DESC_POINTER_MODE);
NAMP_SAME(CUBLASLT_MATMUL_DESC_TRANSA);
NAMP_SAME(CUBLASLT_MATMUL_DESC_TRANSB);
NAMP_SAME(CUBLASLT_MATMUL_DESC_EPILOGUE);
NAMP_SAME(CUBLASLT_MATMUL_DESC_BIAS_POINTER);
NAMP_SAME(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER);
NAMP_SAME(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD);
NAMP_SAME(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
NAMP_SAME(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
NAMP_SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
NAMP_SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
NAMP_SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
NAMP_SAME(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
NAMP_SAME(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
NAMP_SAME(CUBLASLT_REDUCTION_SCHEME_MASK);
NAMP_SAME(CUBLASLT_EPILOGUE_DEFAULT);
NAMP_SAME(CUBLASLT_EPILOGUE_BIAS);
NAMP_SAME(CUBLASLT_EPILOGUE_GELU);
NAMP_SAME(CUBLASLT_EPILOGUE_GELU_BIAS);
NAMP_SAME(CUBLASLT_EPILOGUE_GELU_AUX);
NAMP_SAME(CUBLASLT_EPILOGUE_GELU_AUX_BIAS);
NAMP_SAME(CUBLASLT_EPILOGUE_DGELU);
NAMP_SAME(CUBLASLT_EPILOGUE_BGRADB);
static_assert(sizeof(emulated::cublasLtMatmulAlgo_t) == sizeof(::cublasLtMatmulAlgo_t));
static_assert(sizeof(emulated::cublasLtMatmulHeuristicResult_t) ==
              sizeof(::cublasLtMatmulHeuristicResult_t));

#define NAMP_SAME_TYPE(name) static_assert(same_value<emulated::name, ::name>(), #name)
NAMP_SAME_TYPE(CUresult);
NAMP_SAME_TYPE(CUdevice);
NAMP_SAME_TYPE(CUdeviceptr);
NAMP_SAME_TYPE(CUcontext);
NAMP_SAME_TYPE(CUmodule);
NAMP_SAME_TYPE(CUfunction);
NAMP_SAME_TYPE(CUstream);
NAMP_SAME_TYPE(CUevent);
NAMP_SAME_TYPE(CUgraph);
NAMP_SAME_TYPE(CUgraphExec);
NAMP_SAME_TYPE(CUmemoryPool);
NAMP_SAME_TYPE(cublasStatus_t);
NAMP_SAME_TYPE(cublasHandle_t);

}  // namespace
