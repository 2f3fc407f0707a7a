// Launches of attention.cu.
#include <algorithm>

#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::attention_forward(const namp_attention_args& args, namp_stream stream) {
  launch_attention(cuda::kAttentionForward, args, nullptr, stream);
}

void CudaBackend::attention_backward(const namp_attention_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const int64_t rows = args.batch * args.heads * args.time;
  if (rows == 0) return;
  auto* deltas = static_cast<float*>(workspace(rows * static_cast<int64_t>(sizeof(float)), stream));
  launch_attention(cuda::kAttentionQueries, args, deltas, stream);
  launch_attention(cuda::kAttentionKeys, args, deltas, stream);
}

void CudaBackend::launch_attention(const cuda::Kernel<cuda::AttentionArgs>& kernel,
                                   const namp_attention_args& args, float* deltas,
                                   namp_stream stream) {
  const int64_t rows = args.batch * args.heads * args.time;
  if (rows == 0) return;
  const int64_t most = cuda::attention_rows_per_launch(args.time, args.head_dim);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t part = std::min(most, rows - first);
    launch(kernel, cuda::blocks(part, cuda::kAttentionWarps), {args, deltas, first, part}, stream);
  }
}

}  // namespace namp
