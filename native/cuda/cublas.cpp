#include "cuda/cublas.h"

#include <climits>
#include <vector>

#include "cuda/dynamic_library.h"

namespace namp::cuda {
namespace {

// From cuBLAS's documentation.
constexpr int kOperationN = 0;
constexpr int kOperationT = 1;
constexpr int kFloat32 = 0;    // CUDA_R_32F
constexpr int kFloat16 = 2;    // CUDA_R_16F
constexpr int kBFloat16 = 14;  // CUDA_R_16BF
constexpr int kCompute32F = 68;
constexpr int kDefaultAlgorithm = -1;
// CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: partial sums of half-precision products stay
// float32, as is promised.
constexpr int kMathMode = 16;

using Status = int;
using Handle = void*;

struct Functions {
  Status(NAMP_DRIVER_CALL* create)(Handle*) = nullptr;
  Status(NAMP_DRIVER_CALL* destroy)(Handle) = nullptr;
  Status(NAMP_DRIVER_CALL* set_stream)(Handle, Stream) = nullptr;
  Status(NAMP_DRIVER_CALL* set_math_mode)(Handle, int) = nullptr;
  Status(NAMP_DRIVER_CALL* multiply)(Handle, int, int, int, int, int, const void*, const void*, int,
                                     int, long long, const void*, int, int, long long, const void*,
                                     void*, int, int, long long, int, int, int) = nullptr;
  std::string library;
  std::string missing;  // why there is none
};

std::vector<std::string> names() {
#if defined(_WIN32)
  return {"cublas64_13.dll", "cublas64_12.dll", "cublas64_11.dll"};
#else
  return {"libcublas.so.13", "libcublas.so.12", "libcublas.so.11"};
#endif
}

template <class Pointer>
bool bind(const DynamicLibrary& library, Pointer& pointer, const char* name) {
  pointer = reinterpret_cast<Pointer>(library.symbol(name));
  return pointer != nullptr;
}

Functions find() {
  Functions f;
  const DynamicLibrary library("NATIVEAMP_CUBLAS_LIBRARY", names());
  if (!library.is_open()) {
    f.missing = "tried " + library.tried();
    return f;
  }
  const bool complete = bind(library, f.create, "cublasCreate_v2") &&
                        bind(library, f.destroy, "cublasDestroy_v2") &&
                        bind(library, f.set_stream, "cublasSetStream_v2") &&
                        bind(library, f.set_math_mode, "cublasSetMathMode") &&
                        bind(library, f.multiply, "cublasGemmStridedBatchedEx");
  if (complete) {
    f.library = library.name();
  } else {
    f.missing = library.name() + " lacks functions of cuBLAS 11";
  }
  return f;
}

const Functions& functions() {
  static const Functions& once = *new Functions(find());
  return once;
}

int type_of(int32_t dtype) {
  return dtype == NAMP_FLOAT16 ? kFloat16 : dtype == NAMP_BFLOAT16 ? kBFloat16 : kFloat32;
}

bool fits(int64_t value) { return value <= INT_MAX; }

constexpr Status kAllocFailed = 3;

// cublasStatus_t
const char* name_of(Status status) {
  switch (status) {
    case 1:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case kAllocFailed:
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
    default:
      return "an unknown error";
  }
}

void check(Status status, const char* call) {
  if (status == 0) return;
  const std::string text =
      std::string(call) + " of " + functions().library + " failed with " + name_of(status) + " (" +
      std::to_string(status) +
      "). An earlier error of the device may be reported here; to do without cuBLAS, set "
      "NATIVEAMP_CUBLAS_LIBRARY=none.";
  if (status != kAllocFailed) throw Error(NAMP_ERROR_DEVICE, text);
  throw Error(NAMP_ERROR_OUT_OF_MEMORY, text + " " + describe_free_memory());
}

}  // namespace

void Cublas::release() noexcept {
  if (handle_ != nullptr) functions().destroy(handle_);
  handle_ = nullptr;
}

bool Cublas::is_there() { return !functions().library.empty(); }

bool Cublas::multiply(const namp_gemm_args& args, float beta, Stream stream) {
  const Functions& f = functions();
  const int64_t products = args.batch > 0 ? args.batch : 1;
  if (f.library.empty() || args.k == 0 || !fits(args.m) || !fits(args.n) || !fits(args.k) ||
      !fits(args.lda) || !fits(args.ldb) || !fits(args.ldc) || !fits(products)) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  if (handle_ == nullptr) {
    Handle made = nullptr;
    check(f.create(&made), "cublasCreate");
    const Status status = f.set_math_mode(made, kMathMode);
    if (status != 0) f.destroy(made);
    check(status, "cublasSetMathMode");
    handle_ = made;
  }
  check(f.set_stream(handle_, stream), "cublasSetStream");
  // cuBLAS counts by columns: C transposed is B transposed times A transposed, and a transposed
  // matrix by columns is the matrix by rows.
  check(f.multiply(handle_, args.transpose_b != 0 ? kOperationT : kOperationN,
                   args.transpose_a != 0 ? kOperationT : kOperationN, static_cast<int>(args.n),
                   static_cast<int>(args.m), static_cast<int>(args.k), &args.alpha, args.b,
                   type_of(args.b_dtype), static_cast<int>(args.ldb), args.stride_b, args.a,
                   type_of(args.a_dtype), static_cast<int>(args.lda), args.stride_a, &beta, args.c,
                   type_of(args.c_dtype), static_cast<int>(args.ldc), args.stride_c,
                   static_cast<int>(products), kCompute32F, kDefaultAlgorithm),
        "cublasGemmStridedBatchedEx");
  return true;
}

std::string Cublas::describe() {
  const Functions& f = functions();
  return f.library.empty() ? "no cuBLAS, own GEMM (" + f.missing + ")" : "cuBLAS " + f.library;
}

}  // namespace namp::cuda
