// Launches of rms_norm.cu.
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

using cuda::Kernel;

constexpr Kernel<namp_rms_norm_args> kForward{"rms_norm", "rms_norm_forward_kernel",
                                              cuda::kRowThreads};
constexpr Kernel<namp_rms_norm_args> kBackward{"rms_norm", "rms_norm_backward_kernel",
                                               cuda::kRowThreads};
constexpr Kernel<namp_rms_norm_args> kGamma{"rms_norm", "rms_norm_gamma_kernel",
                                            cuda::kColumnThreads};

int64_t row_blocks(const namp_rms_norm_args& args) {
  return (args.rows + cuda::kRowsPerBlock - 1) / cuda::kRowsPerBlock;
}

}  // namespace

void CudaBackend::rms_norm_forward(const namp_rms_norm_args& args, namp_stream stream) {
  launch(kForward, row_blocks(args), args, stream);
}

void CudaBackend::rms_norm_backward(const namp_rms_norm_args& args, namp_stream stream) {
  if (args.gamma_gradient != nullptr) {
    launch(kGamma, (args.width + cuda::kColumnsPerBlock - 1) / cuda::kColumnsPerBlock, args,
           stream);
  }
  launch(kBackward, row_blocks(args), args, stream);
}

}  // namespace namp
