#include "cuda/product_ways.h"

#include <algorithm>

#include "capture.h"
#include "cuda/cuda_backend.h"
#include "dtype.h"
#include "libraries/environment.h"

namespace namp {
namespace {

using cuda::ProductWay;

constexpr int kRuns = 5;
// The library's way stays unless another takes this part of its time: below that is noise, and bits would
// depend on it.
constexpr double kFaster = 0.95;

}  // namespace

cuda::ProductKind cuda::kind_of(const GemmArgs& gemm) {
  const namp_gemm_args& args = gemm.call;
  const bool c_is_aligned = address(args.c) % 16 == 0 && args.ldc % kPack == 0;
  return {args.m,
          args.n,
          args.k,
          std::max<int64_t>(args.batch, 1),
          args.a_dtype,
          args.c_dtype,
          args.bias != nullptr ? args.bias_dtype : 0,
          args.activation,
          args.transpose_a != 0,
          args.transpose_b != 0,
          args.beta != 0.0f,
          args.bias != nullptr,
          gemm.bias_by_row != 0,
          args.pre_activation != nullptr,
          args.activation_kept != nullptr,
          args.row_sums != nullptr,
          are_words(gemm),
          c_is_aligned};
}

bool cuda::measuring_is_wanted() {
  return environment_variable("NATIVEAMP_MEASURE_PRODUCTS") == "1";
}

std::optional<ProductWay> cuda::ProductWays::find(const ProductKind& kind) {
  const std::lock_guard lock(mutex_);
  const auto found = ways_.find(kind);
  return found == ways_.end() ? std::nullopt : std::optional(found->second);
}

void cuda::ProductWays::keep(const ProductKind& kind, ProductWay way) {
  const std::lock_guard lock(mutex_);
  ways_.emplace(kind, way);
}

// The kernels' time alone: the first run loads what it needs.
double CudaBackend::seconds_of(ProductWay way, const cuda::GemmArgs& gemm, namp_stream stream) {
  multiply_by(way, gemm, stream);
  struct Moment {
    explicit Moment(CudaBackend& of) : backend(of), event(of.create_event()) {}
    ~Moment() { backend.destroy_event(event); }
    CudaBackend& backend;
    void* event;
  };
  const Moment begin(*this);
  const Moment end(*this);
  record_event(begin.event, stream);
  for (int run = 0; run < kRuns; ++run)
    multiply_by(way, gemm, stream);
  record_event(end.event, stream);
  return elapsed_seconds(begin.event, end.event);
}

// Behind a product of cuBLAS an activation, or the slope of one, is a pass over C. From 8.0 to 8.9 that pass
// costs more than our kernel is slower; not on Hopper, where only cuBLAS has wgmma (docs/step-model.md).
bool CudaBackend::is_best_in_one_launch(const cuda::GemmArgs& gemm) const {
  const namp_gemm_args& args = gemm.call;
  return capability_ >= 80 && capability_ < 90 && args.a_dtype != NAMP_FLOAT32 &&
         args.activation != NAMP_ACTIVATION_NONE &&
         cuda::blocks(args.m, cuda::kWideTile) * cuda::blocks(args.n, cuda::kWideTile) >=
             launcher_.multiprocessors() &&
         cuda::are_words(gemm);
}

ProductWay CudaBackend::way_of(const cuda::GemmArgs& gemm, namp_stream stream) {
  const namp_gemm_args& args = gemm.call;
  // What is multiplied by 0 is not read, by any way.
  if (args.alpha == 0.0f || args.k == 0) return ProductWay::kLibrary;
  const bool measures = measures_products_;
  // A lock, which a product does not need that is the library's anyway.
  if (!measures && !is_best_in_one_launch(gemm)) return ProductWay::kLibrary;
  if (!cublas_.is_there(workspaces())) return ProductWay::kLibrary;
  if (!measures) return ProductWay::kOwn;
  const cuda::ProductKind kind = cuda::kind_of(gemm);
  if (const auto known = product_ways_.find(kind)) return *known;
  // Nothing can be timed in a capture; a call before or after it is measured.
  if (current_capture() != nullptr) return ProductWay::kLibrary;
  cuda::GemmArgs trial = gemm;
  if (args.beta != 0.0f || args.c == args.activation_kept) {
    // What a run writes is read by the next: each writes elsewhere.
    const int64_t elements = (kind.batch - 1) * args.stride_c + (args.m - 1) * args.ldc + args.n;
    const int64_t bytes = elements * dtype_size(args.c_dtype);
    trial.call.c = workspaces().reserve(bytes, stream, Workspace::User::kTrial);
    fill(trial.call.c, 0, bytes, stream);
  }
  ProductWay best = ProductWay::kLibrary;
  double least = kFaster * seconds_of(best, trial, stream);
  const auto consider = [&](ProductWay way) {
    const double seconds = seconds_of(way, trial, stream);
    if (seconds >= least) return;
    least = seconds;
    best = way;
  };
  if (cuda::padding_of(args, padded_bytes_).is_any()) consider(ProductWay::kLibraryAsIs);
  consider(ProductWay::kOwn);
  product_ways_.keep(kind, best);
  return best;
}

}  // namespace namp
