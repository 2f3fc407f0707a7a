// Launches of batch_norm.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::batch_norm_forward(const namp_batch_norm_args& args, namp_stream stream) {
  launch(cuda::kBatchNormForward, args.channels, args, stream);
}

void CudaBackend::batch_norm_backward(const namp_batch_norm_args& args, namp_stream stream) {
  launch(cuda::kBatchNormBackward, args.channels, args, stream);
}

}  // namespace namp
