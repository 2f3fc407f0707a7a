// Launches of rms_norm.cu.
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

using cuda::Kernel;

constexpr Kernel<namp_rms_norm_args> kForward{"rms_norm", "rms_norm_forward_kernel",
                                              cuda::kRowThreads};
constexpr Kernel<namp_rms_norm_args> kBackward{"rms_norm", "rms_norm_backward_kernel",
                                               cuda::kRowThreads};
constexpr Kernel<cuda::ColumnSumArgs<namp_rms_norm_args>> kGamma{
    "rms_norm", "rms_norm_gamma_kernel", cuda::kColumnThreads};

}  // namespace

void CudaBackend::rms_norm_forward(const namp_rms_norm_args& args, namp_stream stream) {
  launch(kForward, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::rms_norm_backward(const namp_rms_norm_args& args, namp_stream stream) {
  if (args.gamma_gradient != nullptr) {
    launch_column_sums(kGamma, args.rows, args.width, 1, args, stream);
  }
  launch(kBackward, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

}  // namespace namp
