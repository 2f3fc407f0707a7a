// Launches of activation.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::activation_forward(const namp_activation_args& args, namp_stream stream) {
  launch(cuda::kActivationForward, cuda::task_count(args.count), args, stream);
}

void CudaBackend::activation_backward(const namp_activation_args& args, namp_stream stream) {
  launch(cuda::kActivationBackward, cuda::task_count(args.count), args, stream);
}

}  // namespace namp
