// Launches of rms_norm.cu.
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

using cuda::Kernel;

constexpr Kernel<namp_rms_norm_args> kForward{"rms_norm", "rms_norm_forward_kernel",
                                              cuda::kRowThreads};
constexpr Kernel<cuda::ColumnSumArgs<namp_rms_norm_args>> kBackward{
    "rms_norm", "rms_norm_backward_kernel", cuda::kColumnThreads};

}  // namespace

void CudaBackend::rms_norm_forward(const namp_rms_norm_args& args, namp_stream stream) {
  launch(kForward, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::rms_norm_backward(const namp_rms_norm_args& args, namp_stream stream) {
  launch_row_sums(kBackward, args.rows, args.width, args.gamma_gradient != nullptr ? 1 : 0, args,
                  stream);
}

}  // namespace namp
