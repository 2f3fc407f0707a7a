#include "cuda/cublas.h"

#include <climits>

#include "capture.h"
#include "cuda/driver.h"
#include "libraries/environment.h"
#include "libraries/search.h"

namespace namp::cuda {
namespace {

bool fits(int64_t value) { return value <= INT_MAX; }

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
  if (environment_variable("NATIVEAMP_CUBLASLT") != "0") light_.bind(library);
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

bool Cublas::has_light(Backend::Workspace& workspace) {
  const std::lock_guard lock(mutex_);
  find(workspace);
  return light_.is_there();
}

bool Cublas::begin(const namp_gemm_args& args, Stream queue, namp_stream stream,
                   Backend::Workspace& workspace, CublasLt::Where& where) {
  if (!fits(args.m) || !fits(args.n) || !fits(args.k) || !fits(args.lda) || !fits(args.ldb) ||
      !fits(args.ldc) || !fits(args.batch)) {
    return false;
  }
  find(workspace);
  if (handle_ == nullptr) return false;
  // A workspace of the stream's own: products on several streams then do not meet, and how a product is
  // cut does not depend on what others left.
  const int64_t bytes = workspace_bytes(capability_);
  where = {handle_, queue, workspace.reserve(bytes, stream, Backend::Workspace::User::kLibrary),
           static_cast<size_t>(bytes)};
  return true;
}

int Cublas::compute_of(const namp_gemm_args& args) const {
  return allow_tf32_ && args.a_dtype == NAMP_FLOAT32 ? kCublasCompute32FFastTf32
                                                     : kCublasCompute32F;
}

bool Cublas::multiply(const namp_gemm_args& args, float beta, Stream queue, namp_stream stream,
                      Backend::Workspace& workspace) {
  const std::lock_guard lock(mutex_);
  CublasLt::Where where{};
  if (!begin(args, queue, stream, workspace, where)) return false;
  const CublasFunctions& f = functions_;
  f.check(f.set_stream(handle_, queue), "cublasSetStream");
  // Setting the stream took away the one before.
  if (f.set_workspace != nullptr)
    f.check(f.set_workspace(handle_, where.memory, where.bytes), "cublasSetWorkspace");
  // cuBLAS counts by columns: C transposed is B transposed times A transposed, and a transposed
  // matrix by columns is the matrix by rows.
  const auto call = [&] {
    return f.multiply(handle_, args.transpose_b != 0 ? kCublasOperationT : kCublasOperationN,
                      args.transpose_a != 0 ? kCublasOperationT : kCublasOperationN,
                      static_cast<int>(args.n), static_cast<int>(args.m), static_cast<int>(args.k),
                      &args.alpha, args.b, cuda_type_of(args.b_dtype), static_cast<int>(args.ldb),
                      args.stride_b, args.a, cuda_type_of(args.a_dtype), static_cast<int>(args.lda),
                      args.stride_a, &beta, args.c, cuda_type_of(args.c_dtype),
                      static_cast<int>(args.ldc), args.stride_c,
                      static_cast<int>(args.batch > 0 ? args.batch : 1), compute_of(args),
                      kCublasDefaultAlgorithm);
  };
  f.check(with_memory(workspace, call), "cublasGemmStridedBatchedEx");
  return true;
}

bool Cublas::multiply_with(LtEpilogue epilogue, const namp_gemm_args& args, Stream queue,
                           namp_stream stream, Backend::Workspace& workspace) {
  const std::lock_guard lock(mutex_);
  CublasLt::Where where{};
  if (args.batch > 1 || !begin(args, queue, stream, workspace, where)) return false;
  return light_.multiply(args, epilogue, compute_of(args), functions_, where, workspace);
}

std::string Cublas::describe(Backend::Workspace& workspace) {
  const std::lock_guard lock(mutex_);
  find(workspace);
  if (handle_ == nullptr) return "no cuBLAS, own GEMM (tried " + failures_ + ")";
  return "cuBLAS " + functions_.library + (failures_.empty() ? "" : " (not " + failures_ + ")") +
         (light_.is_there() ? "" : ", without cuBLASLt");
}

}  // namespace namp::cuda
