// native/cuda declares of cuBLAS and cuBLASLt the same as NVIDIA's cublas_v2.h and cublasLt.h.
#include "cuda/cublas_library.h"
#include "cuda/cublas_lt.h"

#include <cstddef>

#include <cublasLt.h>
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

#define NAMP_SAME_LIGHT(member, theirs) \
  static_assert(SameFunction<decltype(CublasLtFunctions::member), decltype(theirs)>::value, #theirs)
NAMP_SAME_LIGHT(create_description, &cublasLtMatmulDescCreate);
NAMP_SAME_LIGHT(destroy_description, &cublasLtMatmulDescDestroy);
NAMP_SAME_LIGHT(describe, &cublasLtMatmulDescSetAttribute);
NAMP_SAME_LIGHT(create_layout, &cublasLtMatrixLayoutCreate);
NAMP_SAME_LIGHT(destroy_layout, &cublasLtMatrixLayoutDestroy);
NAMP_SAME_LIGHT(create_preference, &cublasLtMatmulPreferenceCreate);
NAMP_SAME_LIGHT(destroy_preference, &cublasLtMatmulPreferenceDestroy);
NAMP_SAME_LIGHT(prefer, &cublasLtMatmulPreferenceSetAttribute);
NAMP_SAME_LIGHT(choose, &cublasLtMatmulAlgoGetHeuristic);
NAMP_SAME_LIGHT(multiply, &cublasLtMatmul);

static_assert(sizeof(CublasLtAlgorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(CublasLtHeuristic) == sizeof(cublasLtMatmulHeuristicResult_t));
#define NAMP_SAME_PLACE(ours, theirs)                                                           \
  static_assert(                                                                                \
      offsetof(CublasLtHeuristic, ours) == offsetof(cublasLtMatmulHeuristicResult_t, theirs) && \
          sizeof(CublasLtHeuristic::ours) == sizeof(cublasLtMatmulHeuristicResult_t::theirs),   \
      #theirs)
NAMP_SAME_PLACE(algorithm, algo);
NAMP_SAME_PLACE(workspace_bytes, workspaceSize);
NAMP_SAME_PLACE(state, state);
NAMP_SAME_PLACE(waves, wavesCount);

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
NAMP_SAME(kCublasInvalidValue, CUBLAS_STATUS_INVALID_VALUE);
NAMP_SAME(kCublasNotSupported, CUBLAS_STATUS_NOT_SUPPORTED);
NAMP_SAME(kLtTransposeA, CUBLASLT_MATMUL_DESC_TRANSA);
NAMP_SAME(kLtTransposeB, CUBLASLT_MATMUL_DESC_TRANSB);
NAMP_SAME(kLtEpilogue, CUBLASLT_MATMUL_DESC_EPILOGUE);
NAMP_SAME(kLtVector, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
NAMP_SAME(kLtKept, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER);
NAMP_SAME(kLtKeptRow, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD);
NAMP_SAME(kLtWorkspaceBytes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
NAMP_SAME(kLtReductionSchemes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
NAMP_SAME(kLtAlignmentA, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
NAMP_SAME(kLtAlignmentB, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
NAMP_SAME(kLtAlignmentC, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
NAMP_SAME(kLtAlignmentD, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
NAMP_SAME(kLtReduceInComputeType, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
NAMP_SAME(static_cast<int>(LtEpilogue::kBias), CUBLASLT_EPILOGUE_BIAS);
NAMP_SAME(static_cast<int>(LtEpilogue::kGelu), CUBLASLT_EPILOGUE_GELU);
NAMP_SAME(static_cast<int>(LtEpilogue::kGeluBias), CUBLASLT_EPILOGUE_GELU_BIAS);
NAMP_SAME(static_cast<int>(LtEpilogue::kGeluKept), CUBLASLT_EPILOGUE_GELU_AUX);
NAMP_SAME(static_cast<int>(LtEpilogue::kGeluKeptBias), CUBLASLT_EPILOGUE_GELU_AUX_BIAS);
NAMP_SAME(static_cast<int>(LtEpilogue::kGeluSlope), CUBLASLT_EPILOGUE_DGELU);
NAMP_SAME(static_cast<int>(LtEpilogue::kRowSums), CUBLASLT_EPILOGUE_BGRADB);
NAMP_SAME(kCublasMathMode, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);

}  // namespace
}  // namespace namp::cuda
