#include "cuda/cublas.h"

#include <climits>

#include "capture.h"
#include "cuda/driver.h"
#include "libraries/search.h"

namespace namp::cuda {
namespace {

int type_of(int32_t dtype) {
  return dtype == NAMP_FLOAT16    ? kCudaFloat16
         : dtype == NAMP_BFLOAT16 ? kCudaBFloat16
                                  : kCudaFloat32;
}

bool fits(int64_t value) { return value <= INT_MAX; }

// Calls; where the device has no memory for it, once more after the pool has given back what it
// keeps.
template <class Call>
CublasStatus with_memory(Backend::Workspace& workspace, const Call& call) {
  const CublasStatus status = call();
  if (status != kCublasAllocFailed) return status;
  workspace.trim();
  return call();
}

// NVIDIA's recommendation for cuBLAS's own workspace: on Hopper and later, and on those before.
int64_t workspace_bytes(int capability) { return int64_t{capability >= 90 ? 32 : 8} << 20; }

int driver_major() {
  int version = 0;
  return driver().cuDriverGetVersion.attempt(&version) == kSuccess ? version / 1000 : 0;
}

}  // namespace

void Cublas::release() noexcept {
  if (handle_ != nullptr) functions_.destroy(handle_);
  handle_ = nullptr;
}

void Cublas::set_allow_tf32(bool allow) {
  const std::lock_guard lock(mutex_);
  allow_tf32_ = allow;
}

std::string Cublas::start(const DynamicLibrary& library, Backend::Workspace& workspace) {
  if (!functions_.bind(library)) return "it lacks functions of cuBLAS 11";
  CublasHandle made = nullptr;
  CublasStatus status = with_memory(workspace, [&] { return functions_.create(&made); });
  // Too little memory is nothing that another version would mend.
  if (status == kCublasAllocFailed) functions_.check(status, "cublasCreate");
  if (status != 0) return "cublasCreate gave " + describe_cublas_status(status);
  status = functions_.set_math_mode(made, kCublasMathMode);
  if (status != 0) {
    functions_.destroy(made);
    return "cublasSetMathMode gave " + describe_cublas_status(status);
  }
  handle_ = made;
  return "";
}

void Cublas::find(Backend::Workspace& workspace) {
  if (sought_) return;
  refuse_capture("cuBLAS is looked for at the first product. Make it once before, uncaptured.");
  const LibraryFound found =
      find_library(cublas_library(), driver_major(),
                   [&](const DynamicLibrary& library) { return start(library, workspace); });
  sought_ = true;
  failures_ = found.describe_failures();
}

bool Cublas::is_there(Backend::Workspace& workspace) {
  const std::lock_guard lock(mutex_);
  find(workspace);
  return handle_ != nullptr;
}

bool Cublas::multiply(const namp_gemm_args& args, float beta, Stream queue, namp_stream stream,
                      Backend::Workspace& workspace) {
  const int64_t products = args.batch > 0 ? args.batch : 1;
  if (args.k == 0 || !fits(args.m) || !fits(args.n) || !fits(args.k) || !fits(args.lda) ||
      !fits(args.ldb) || !fits(args.ldc) || !fits(products)) {
    return false;
  }
  const std::lock_guard lock(mutex_);
  find(workspace);
  if (handle_ == nullptr) return false;
  const CublasFunctions& f = functions_;
  f.check(f.set_stream(handle_, queue), "cublasSetStream");
  if (f.set_workspace != nullptr) {
    // A workspace of the stream's own, which setting the stream took away: products on several
    // streams then do not meet, and how a product is cut does not depend on what others left.
    const int64_t bytes = workspace_bytes(capability_);
    void* memory = workspace.reserve(bytes, stream, Backend::Workspace::User::kLibrary);
    f.check(f.set_workspace(handle_, memory, static_cast<size_t>(bytes)), "cublasSetWorkspace");
  }
  const bool single = args.a_dtype == NAMP_FLOAT32 && args.b_dtype == NAMP_FLOAT32;
  const int compute = allow_tf32_ && single ? kCublasCompute32FFastTf32 : kCublasCompute32F;
  // cuBLAS counts by columns: C transposed is B transposed times A transposed, and a transposed
  // matrix by columns is the matrix by rows.
  const auto call = [&] {
    return f.multiply(handle_, args.transpose_b != 0 ? kCublasOperationT : kCublasOperationN,
                      args.transpose_a != 0 ? kCublasOperationT : kCublasOperationN,
                      static_cast<int>(args.n), static_cast<int>(args.m), static_cast<int>(args.k),
                      &args.alpha, args.b, type_of(args.b_dtype), static_cast<int>(args.ldb),
                      args.stride_b, args.a, type_of(args.a_dtype), static_cast<int>(args.lda),
                      args.stride_a, &beta, args.c, type_of(args.c_dtype),
                      static_cast<int>(args.ldc), args.stride_c, static_cast<int>(products),
                      compute, kCublasDefaultAlgorithm);
  };
  f.check(with_memory(workspace, call), "cublasGemmStridedBatchedEx");
  return true;
}

std::string Cublas::describe(Backend::Workspace& workspace) {
  const std::lock_guard lock(mutex_);
  find(workspace);
  if (handle_ == nullptr) return "no cuBLAS, own GEMM (tried " + failures_ + ")";
  return "cuBLAS " + functions_.library + (failures_.empty() ? "" : " (not " + failures_ + ")");
}

}  // namespace namp::cuda
