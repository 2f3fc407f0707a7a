// Launches of layer_norm.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::layer_norm_forward(const namp_layer_norm_args& args, namp_stream stream) {
  launch(cuda::kLayerNormForward, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::layer_norm_backward(const namp_layer_norm_args& args, namp_stream stream) {
  const bool with_sums = args.gamma_gradient != nullptr || args.beta_gradient != nullptr;
  launch_row_sums(cuda::kLayerNormBackward, args.rows, args.width, with_sums ? 2 : 0, args, stream);
}

}  // namespace namp
