// The stand-in for cuBLAS.
#include "cublas/cublas_api.h"
#include "cublas/gemm.h"
#include "cublas/version.h"
#include "nampemu.h"

#define NAMPEMU_API extern "C" __attribute__((visibility("default")))

namespace {

using nampemu::Gemm;
using nampemu::Handle;

Gemm describe(int transa, int transb, int m, int n, int k, const void* alpha, const void* a,
              int a_type, int lda, long long stride_a, const void* b, int b_type, int ldb,
              long long stride_b, const void* beta, void* c, int c_type, int ldc,
              long long stride_c, int batch, int compute) {
  Gemm g;
  g.transa = transa;
  g.transb = transb;
  g.m = m;
  g.n = n;
  g.k = k;
  g.alpha = alpha;
  g.beta = beta;
  g.a = {a, a_type, transa == CUBLAS_OP_N ? m : k, transa == CUBLAS_OP_N ? k : m, lda, stride_a};
  g.b = {b, b_type, transb == CUBLAS_OP_N ? k : n, transb == CUBLAS_OP_N ? n : k, ldb, stride_b};
  g.c = {c, c_type, m, n, ldc, stride_c};
  g.batch = batch;
  g.compute = compute;
  return g;
}

cublasStatus_t run_on(const char* who, cublasHandle_t raw, const Gemm& g) {
  if (const int32_t injected = nampemu_enter(who)) return static_cast<cublasStatus_t>(injected);
  const Handle* handle = nampemu::unwrap(raw);
  return handle == nullptr ? CUBLAS_STATUS_NOT_INITIALIZED : nampemu::run(who, *handle, g);
}

// The checks that every other function makes first.
template <class F>
cublasStatus_t with_handle(const char* who, cublasHandle_t raw, F f) {
  if (const int32_t injected = nampemu_enter(who)) return static_cast<cublasStatus_t>(injected);
  Handle* handle = nampemu::unwrap(raw);
  return handle == nullptr ? CUBLAS_STATUS_NOT_INITIALIZED : f(*handle);
}

}  // namespace

NAMPEMU_API cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (const int32_t injected = nampemu_enter("cublasCreate"))
    return static_cast<cublasStatus_t>(injected);
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (nampemu_check_context("cublasCreate") == 0 || !nampemu::cublas_starts())
    return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = nampemu::create_handle();
  return CUBLAS_STATUS_SUCCESS;
}
NAMPEMU_API cublasStatus_t cublasDestroy_v2(cublasHandle_t raw) {
  return with_handle("cublasDestroy", raw, [](Handle& handle) {
    nampemu::destroy_handle(&handle);
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasSetStream_v2(cublasHandle_t raw, CUstream stream) {
  return with_handle("cublasSetStream", raw, [=](Handle& handle) {
    handle.stream = stream;
    handle.workspace = 0;
    handle.workspace_bytes = 0;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasGetStream_v2(cublasHandle_t raw, CUstream* stream) {
  return with_handle("cublasGetStream", raw, [=](const Handle& handle) {
    if (stream == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *stream = handle.stream;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t raw, void* workspace,
                                                 size_t bytes) {
  return with_handle("cublasSetWorkspace", raw, [=](Handle& handle) {
    const auto address = reinterpret_cast<uint64_t>(workspace);
    if (bytes != 0 && address % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
    handle.workspace = address;
    handle.workspace_bytes = bytes;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasSetMathMode(cublasHandle_t raw, int mode) {
  return with_handle("cublasSetMathMode", raw, [=](Handle& handle) {
    if (mode < 0 || (mode & ~(3 | 16)) != 0) return CUBLAS_STATUS_INVALID_VALUE;
    handle.math_mode = mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasGetMathMode(cublasHandle_t raw, int* mode) {
  return with_handle("cublasGetMathMode", raw, [=](const Handle& handle) {
    if (mode == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *mode = handle.math_mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t raw, int mode) {
  return with_handle("cublasSetPointerMode", raw, [=](Handle& handle) {
    if (mode != CUBLAS_POINTER_MODE_HOST && mode != CUBLAS_POINTER_MODE_DEVICE) {
      return CUBLAS_STATUS_INVALID_VALUE;
    }
    handle.pointer_mode = mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t raw, int* mode) {
  return with_handle("cublasGetPointerMode", raw, [=](const Handle& handle) {
    if (mode == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *mode = handle.pointer_mode;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API cublasStatus_t cublasGetVersion_v2(cublasHandle_t raw, int* version) {
  return with_handle("cublasGetVersion", raw, [=](const Handle&) {
    if (version == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    *version = nampemu::cublas_major_version() * 10000 + 400;
    return CUBLAS_STATUS_SUCCESS;
  });
}
NAMPEMU_API const char* cublasGetStatusName(int status) {
  switch (status) {
    case 0:
      return "CUBLAS_STATUS_SUCCESS";
    case 1:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case 3:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case 7:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case 8:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case 15:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 16:
      return "CUBLAS_STATUS_LICENSE_ERROR";
    default:
      return "CUBLAS_STATUS unknown";
  }
}
NAMPEMU_API const char* cublasGetStatusString(int status) { return cublasGetStatusName(status); }

NAMPEMU_API cublasStatus_t cublasGemmEx(cublasHandle_t handle, int transa, int transb, int m, int n,
                                        int k, const void* alpha, const void* a, int a_type,
                                        int lda, const void* b, int b_type, int ldb,
                                        const void* beta, void* c, int c_type, int ldc, int compute,
                                        int) {
  return run_on("cublasGemmEx", handle,
                describe(transa, transb, m, n, k, alpha, a, a_type, lda, 0, b, b_type, ldb, 0, beta,
                         c, c_type, ldc, 0, 1, compute));
}
NAMPEMU_API cublasStatus_t cublasGemmStridedBatchedEx(
    cublasHandle_t handle, int transa, int transb, int m, int n, int k, const void* alpha,
    const void* a, int a_type, int lda, long long stride_a, const void* b, int b_type, int ldb,
    long long stride_b, const void* beta, void* c, int c_type, int ldc, long long stride_c,
    int batch, int compute, int) {
  return run_on("cublasGemmStridedBatchedEx", handle,
                describe(transa, transb, m, n, k, alpha, a, a_type, lda, stride_a, b, b_type, ldb,
                         stride_b, beta, c, c_type, ldc, stride_c, batch, compute));
}
NAMPEMU_API cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, int transa, int transb, int m,
                                          int n, int k, const float* alpha, const float* a, int lda,
                                          const float* b, int ldb, const float* beta, float* c,
                                          int ldc) {
  return run_on("cublasSgemm", handle,
                describe(transa, transb, m, n, k, alpha, a, CUDA_R_32F, lda, 0, b, CUDA_R_32F, ldb,
                         0, beta, c, CUDA_R_32F, ldc, 0, 1, CUBLAS_COMPUTE_32F));
}
