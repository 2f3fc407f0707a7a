// Launches of layer_norm.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::layer_norm_forward(const namp_layer_norm_args& args, namp_stream stream) {
  launch(cuda::kLayerNormForward, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::layer_norm_backward(const namp_layer_norm_args& args, namp_stream stream) {
  // The input's gradient may overwrite the inputs of the parameters' gradients.
  if (args.gamma_gradient != nullptr || args.beta_gradient != nullptr) {
    launch_column_sums(cuda::kLayerNormParameters, args.rows, args.width, 2, args, stream);
  }
  launch(cuda::kLayerNormBackward, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

}  // namespace namp
