// Launches of embedding.cu.
#include <algorithm>

#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::embedding_forward(const namp_embedding_args& args, namp_stream stream) {
  launch(cuda::kEmbeddingForward,
         cuda::blocks(args.count * cuda::blocks(args.width, cuda::kPack), cuda::kElementThreads),
         args, stream);
}

void CudaBackend::embedding_backward(const namp_embedding_args& args, namp_stream stream) {
  // A row or more a block: each block looks through all indices.
  constexpr int64_t kGroups = 528;  // four for each multiprocessor of an H100
  const int64_t rows =
      std::clamp<int64_t>(cuda::blocks(args.vocabulary, kGroups), 1, cuda::kMostGroupRows);
  launch(cuda::kEmbeddingBackward,
         cuda::blocks(args.vocabulary, rows) * cuda::blocks(args.width, cuda::kElementThreads),
         {args, rows}, stream);
}

}  // namespace namp
