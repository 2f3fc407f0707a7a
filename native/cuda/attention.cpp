// Launches of attention.cu, attention_sm80.cu, attention_256_sm80.cu and attention_wide.cu.
#include <algorithm>
#include <initializer_list>
#include <iterator>

#include "cuda/cuda_backend.h"

namespace namp {

using cuda::AttentionRows;
using cuda::kOfKeys;
using cuda::kOfQueries;

namespace {

// Tensor cores are so much faster that a launch may have more products.
constexpr int64_t kTensorGain = 32;

template <size_t kCount>
const cuda::AttentionKernels* find_width(const cuda::AttentionKernels (&all)[kCount],
                                         int64_t head_dim) {
  const auto* const found = std::find_if(std::begin(all), std::end(all), [&](const auto& kernels) {
    return head_dim <= kernels.width;
  });
  return found == std::end(all) ? nullptr : found;
}

// Whether all memory of the call can be moved 16 bytes at a time.
bool has_words(const namp_attention_args& args, bool backward) {
  const auto is_word = [](const void* pointer) {
    return reinterpret_cast<uintptr_t>(pointer) % 16 == 0;
  };
  const auto strides = {args.head_dim,          args.query_batch_stride,  args.query_head_stride,
                        args.query_time_stride, args.key_batch_stride,    args.key_head_stride,
                        args.key_time_stride,   args.output_batch_stride, args.output_head_stride,
                        args.output_time_stride};
  if (std::any_of(strides.begin(), strides.end(), [](int64_t x) { return x % 8 != 0; }))
    return false;
  // Kernels count from a tile's first row in 32 bits.
  constexpr int64_t kLongestRow = int64_t{1} << 23;
  if (std::max({args.query_time_stride, args.key_time_stride, args.output_time_stride}) >
      kLongestRow)
    return false;
  if (!is_word(args.query) || !is_word(args.key) || !is_word(args.value) || !is_word(args.output))
    return false;
  return !backward || (is_word(args.output_gradient) && is_word(args.query_gradient) &&
                       is_word(args.key_gradient) && is_word(args.value_gradient));
}

// The rows of a pass: heads of all batches, times of each, and the vectors that each row is multiplied
// with.
struct RowsOfPass {
  int64_t heads;
  int64_t time;
  int64_t vectors;
};
RowsOfPass rows_of(AttentionRows of, const namp_attention_args& args) {
  if (of == kOfQueries) return {args.batch * args.heads, args.query_time, args.key_time};
  return {args.batch * args.key_heads, args.key_time,
          std::max<int64_t>(1, args.query_time * (args.heads / args.key_heads))};
}

}  // namespace

// Null for heads that are too wide.
const cuda::AttentionKernels* CudaBackend::attention_kernels(const namp_attention_args& args,
                                                             bool backward) const {
  if (capability_ >= cuda::kTensorCapability && args.dtype != NAMP_FLOAT32 &&
      has_words(args, backward)) {
    return find_width(
        args.dtype == NAMP_FLOAT16 ? cuda::kAttentionFloat16 : cuda::kAttentionBFloat16,
        args.head_dim);
  }
  return find_width(cuda::kAttention, args.head_dim);
}

void CudaBackend::attention_forward(const namp_attention_args& args, namp_stream stream) {
  if (const cuda::AttentionKernels* kernels = attention_kernels(args, false)) {
    launch_attention(*kernels, kernels->forward, kOfQueries, args, nullptr, stream);
  } else {
    launch_attention_rows(cuda::kAttentionForwardWide, kOfQueries, args, nullptr, stream);
  }
}

void CudaBackend::attention_backward(const namp_attention_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const int64_t rows = args.batch * args.heads * args.query_time;
  auto* deltas = static_cast<float*>(
      workspace(std::max<int64_t>(1, rows) * static_cast<int64_t>(sizeof(float)), stream));
  if (const cuda::AttentionKernels* kernels = attention_kernels(args, true)) {
    launch_attention(*kernels, kernels->queries, kOfQueries, args, deltas, stream);
    launch_attention(*kernels, kernels->keys, kOfKeys, args, deltas, stream);
  } else {
    launch_attention_rows(cuda::kAttentionQueriesWide, kOfQueries, args, deltas, stream);
    launch_attention_rows(cuda::kAttentionKeysWide, kOfKeys, args, deltas, stream);
  }
}

void CudaBackend::launch_attention(const cuda::AttentionKernels& kernels,
                                   const cuda::AttentionPass& pass, AttentionRows of,
                                   const namp_attention_args& args, float* deltas,
                                   namp_stream stream) {
  const RowsOfPass rows = rows_of(of, args);
  const int64_t tasks = rows.heads * cuda::blocks(rows.time, pass.rows);
  const int64_t gain = kernels.on_tensor_cores ? kTensorGain : 1;
  const int64_t most =
      gain * cuda::attention_rows_per_launch(rows.vectors, args.head_dim, pass.rows) / pass.rows;
  for (int64_t first = 0; first < tasks; first += most) {
    const int64_t part = std::min(most, tasks - first);
    launch(pass.kernel, part, {args, deltas, first, part}, stream);
  }
}

void CudaBackend::launch_attention_rows(const cuda::Kernel<cuda::AttentionArgs>& kernel,
                                        AttentionRows of, const namp_attention_args& args,
                                        float* deltas, namp_stream stream) {
  const RowsOfPass pass = rows_of(of, args);
  const int64_t rows = pass.heads * pass.time;
  const int64_t most =
      cuda::attention_rows_per_launch(pass.vectors, args.head_dim, cuda::kAttentionWarps);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t part = std::min(most, rows - first);
    launch(kernel, cuda::blocks(part, cuda::kAttentionWarps), {args, deltas, first, part}, stream);
  }
}

}  // namespace namp
