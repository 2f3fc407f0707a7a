// Launches of elementwise.cu, rows.cu, channels.cu, embedding.cu and attention.cu: kernels that
// take the call's arguments as they are.
#include "cuda/cuda_backend.h"
#include "dtype.h"

namespace namp {
namespace {

int64_t blocks(int64_t count, int64_t per_block) { return (count + per_block - 1) / per_block; }

}  // namespace

void CudaBackend::activation_forward(const namp_activation_args& args, namp_stream stream) {
  launch(cuda::kActivationForward, cuda::task_count(args.count), args, stream);
}

void CudaBackend::activation_backward(const namp_activation_args& args, namp_stream stream) {
  launch(cuda::kActivationBackward, cuda::task_count(args.count), args, stream);
}

void CudaBackend::add(const namp_add_args& args, namp_stream stream) {
  launch(cuda::kAdd, cuda::task_count(args.count), args, stream);
}

void CudaBackend::dropout(void* output, const void* input, namp_dtype dtype, int64_t count,
                          float probability, uint64_t seed, uint64_t offset, namp_stream stream) {
  launch(cuda::kDropout, cuda::task_count(count),
         {output, input, count, dtype, probability, seed, offset}, stream);
}

void CudaBackend::permute(void* out, const void* in, namp_dtype dtype, int32_t rank,
                          const int64_t* shape, const int32_t* perm, namp_stream stream) {
  cuda::PermuteArgs args{};
  args.out = out;
  args.in = in;
  args.count = 1;
  args.element_bytes = dtype_size(dtype);
  args.rank = rank;
  int64_t in_strides[NAMP_PERMUTE_MAX_RANK];
  for (int32_t d = rank; d-- > 0;) {
    in_strides[d] = args.count;
    args.count *= shape[d];
  }
  for (int32_t d = 0; d < rank; ++d) {
    args.out_shape[d] = shape[perm[d]];
    args.in_strides[d] = in_strides[perm[d]];
  }
  launch(cuda::kPermute, blocks(args.count, cuda::kElementThreads), args, stream);
}

void CudaBackend::layer_norm_forward(const namp_layer_norm_args& args, namp_stream stream) {
  launch(cuda::kLayerNormForward, blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::layer_norm_backward(const namp_layer_norm_args& args, namp_stream stream) {
  // The input's gradient may take the place of what the parameters' are made from.
  if (args.gamma_gradient != nullptr || args.beta_gradient != nullptr) {
    launch(cuda::kLayerNormParameters, blocks(args.width, cuda::kColumnsPerBlock), args, stream);
  }
  launch(cuda::kLayerNormBackward, blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::softmax_forward(const namp_softmax_args& args, namp_stream stream) {
  launch(cuda::kSoftmaxForward, blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::softmax_backward(const namp_softmax_args& args, namp_stream stream) {
  launch(cuda::kSoftmaxBackward, blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::argmax(int32_t* out, const void* in, namp_dtype dtype, int64_t rows,
                         int64_t width, namp_stream stream) {
  launch(cuda::kArgmax, blocks(rows, cuda::kRowsPerBlock), {out, in, rows, width, dtype}, stream);
}

void CudaBackend::sum(const namp_sum_args& args, namp_stream stream) {
  if (args.inner == 1) {
    launch(cuda::kSumColumns, blocks(args.channels, cuda::kColumnsPerBlock), args, stream);
  } else {
    launch(cuda::kSumChannels, args.channels, args, stream);
  }
}

void CudaBackend::batch_norm_forward(const namp_batch_norm_args& args, namp_stream stream) {
  launch(cuda::kBatchNormForward, args.channels, args, stream);
}

void CudaBackend::batch_norm_backward(const namp_batch_norm_args& args, namp_stream stream) {
  launch(cuda::kBatchNormBackward, args.channels, args, stream);
}

void CudaBackend::embedding_forward(const namp_embedding_args& args, namp_stream stream) {
  launch(cuda::kEmbeddingForward, blocks(args.count * args.width, cuda::kElementThreads), args,
         stream);
}

void CudaBackend::embedding_backward(const namp_embedding_args& args, namp_stream stream) {
  launch(cuda::kEmbeddingBackward, args.vocabulary, args, stream);
}

void CudaBackend::attention_forward(const namp_attention_args& args, namp_stream stream) {
  const int64_t rows = args.batch * args.heads * args.time;
  launch(cuda::kAttentionForward, blocks(rows, cuda::kAttentionWarps), {args, nullptr}, stream);
}

void CudaBackend::attention_backward(const namp_attention_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const int64_t rows = args.batch * args.heads * args.time;
  if (rows == 0) return;
  auto* deltas = static_cast<float*>(workspace(rows * static_cast<int64_t>(sizeof(float)), stream));
  const cuda::AttentionArgs packed{args, deltas};
  launch(cuda::kAttentionQueries, blocks(rows, cuda::kAttentionWarps), packed, stream);
  launch(cuda::kAttentionKeys, blocks(rows, cuda::kAttentionWarps), packed, stream);
}

}  // namespace namp
