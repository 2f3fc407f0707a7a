// Launches of embedding.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::embedding_forward(const namp_embedding_args& args, namp_stream stream) {
  launch(cuda::kEmbeddingForward, cuda::blocks(args.count * args.width, cuda::kElementThreads),
         args, stream);
}

void CudaBackend::embedding_backward(const namp_embedding_args& args, namp_stream stream) {
  launch(cuda::kEmbeddingBackward, args.vocabulary, args, stream);
}

}  // namespace namp
