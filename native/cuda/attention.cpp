// Launches of attention.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::attention_forward(const namp_attention_args& args, namp_stream stream) {
  const int64_t rows = args.batch * args.heads * args.time;
  launch(cuda::kAttentionForward, cuda::blocks(rows, cuda::kAttentionWarps), {args, nullptr},
         stream);
}

void CudaBackend::attention_backward(const namp_attention_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const int64_t rows = args.batch * args.heads * args.time;
  if (rows == 0) return;
  auto* deltas = static_cast<float*>(workspace(rows * static_cast<int64_t>(sizeof(float)), stream));
  const cuda::AttentionArgs packed{args, deltas};
  launch(cuda::kAttentionQueries, cuda::blocks(rows, cuda::kAttentionWarps), packed, stream);
  launch(cuda::kAttentionKeys, cuda::blocks(rows, cuda::kAttentionWarps), packed, stream);
}

}  // namespace namp
