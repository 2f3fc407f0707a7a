// The kernels of attention: attention.cu, attention_sm80.cu, attention_256_sm80.cu, attention_wide.cu.
#pragma once

#include "cuda/kernels.h"

namespace namp::cuda {

inline constexpr int kAttentionThreads = 128;
inline constexpr int kAttentionWarps = kAttentionThreads / 32;

inline constexpr float kLog2E = 1.44269504f;

// Products of queries and keys are scores after they are multiplied by the scale. So that the largest product
// has the largest score, a negative scale's sign goes to a block's rows.
struct ScoreScale {
  bool is_negative;
  float size;     // not 0: -infinity, times that, is a score that is not there
  float to_log2;  // from a product to its score's logarithm to base 2

  static constexpr ScoreScale of(float scale) {
    const float size = scale == 0.0f ? 0x1p-126f : scale < 0.0f ? -scale : scale;
    return {scale < 0.0f, size, size * kLog2E};
  }
};

struct AttentionArgs {
  namp_attention_args call;
  // [batch, heads, query_time]; backward: sums of output * its gradient; of attention_passes.cuh, times
  // the scale
  float* deltas;
  int64_t first;  // the launch's part of the tasks; of attention_wide.cu's rows
  int64_t count;
  ScoreScale scale = ScoreScale::of(call.scale);  // of attention_passes.cuh
};

// What the rows of a pass are.
enum AttentionRows : uint8_t { kOfQueries, kOfKeys };

// A pass, and the rows of a task, which is a block's.
struct AttentionPass {
  Kernel<AttentionArgs> kernel;
  int rows;
};
// The kernels for heads of up to `width` dimensions.
struct AttentionKernels {
  int width;
  bool on_tensor_cores;
  AttentionPass forward, queries, keys;
};

// The width of heads; threads; rows of a block and columns of a tile, forward and backward; blocks that
// a multiprocessor should hold.
#define NAMP_FOR_EACH_ATTENTION(X) \
  X(32, 128, 64, 32, 32, 32, 4)    \
  X(64, 128, 64, 32, 32, 32, 3)    \
  X(128, 128, 32, 16, 16, 16, 3)   \
  X(192, 128, 16, 16, 16, 8, 3)    \
  X(256, 64, 16, 8, 8, 8, 4)

#define NAMP_ATTENTION_KERNEL(image, pass, name, width, threads, rows) \
  { {image, "attention_" #pass "_" name #width "_kernel", threads}, rows }

// Any dtype, any memory. Heads on from the narrowest.
#define NAMP_ATTENTION(width, threads, rows, columns, rows_backward, columns_backward, blocks) \
  {width, false, NAMP_ATTENTION_KERNEL("attention", forward, "", width, threads, rows),        \
   NAMP_ATTENTION_KERNEL("attention", queries, "", width, threads, rows_backward),             \
   NAMP_ATTENTION_KERNEL("attention", keys, "", width, threads, rows_backward)},
inline constexpr AttentionKernels kAttention[] = {NAMP_FOR_EACH_ATTENTION(NAMP_ATTENTION)};
#undef NAMP_ATTENTION

// On tensor cores, for compute capability 8.0 and later, of 16-byte words: the width of heads; for the
// forward pass, for queries and for keys: rows of a block, columns of a tile, warps that share rows, and
// the blocks that a multiprocessor should hold, by which registers are given out. Heads of 64 were
// chosen by an H100 (docs/h100.md), the others up to 128 like them.
#define NAMP_FOR_EACH_TENSOR_ATTENTION(X)          \
  X(32, 64, 64, 1, 4, 64, 32, 1, 4, 64, 32, 1, 3)  \
  X(64, 64, 32, 1, 4, 128, 32, 1, 2, 64, 16, 1, 3) \
  X(128, 64, 32, 1, 2, 64, 32, 1, 2, 64, 16, 1, 2)
// Those above are of an image of their own, which a driver may have to translate. Tiles are as large as
// 48 KiB of shared memory hold.
#define NAMP_FOR_EACH_WIDE_TENSOR_ATTENTION(X)     \
  X(192, 64, 16, 1, 2, 64, 16, 2, 1, 64, 16, 2, 1) \
  X(256, 64, 16, 1, 2, 64, 16, 2, 1, 64, 16, 2, 1)

#define NAMP_TENSOR_ATTENTION(image, name, width, rows_f, columns_f, split_f, blocks_f, rows_q,   \
                              columns_q, split_q, blocks_q, rows_k, columns_k, split_k, blocks_k) \
  {width, true,                                                                                   \
   NAMP_ATTENTION_KERNEL(image, forward, name, width, kAttentionThreads * (split_f), rows_f),     \
   NAMP_ATTENTION_KERNEL(image, queries, name, width, kAttentionThreads * (split_q), rows_q),     \
   NAMP_ATTENTION_KERNEL(image, keys, name, width, kAttentionThreads * (split_k), rows_k)},
#define NAMP_FLOAT16_ATTENTION(...) NAMP_TENSOR_ATTENTION("attention_sm80", "float16_", __VA_ARGS__)
#define NAMP_BFLOAT16_ATTENTION(...) \
  NAMP_TENSOR_ATTENTION("attention_sm80", "bfloat16_", __VA_ARGS__)
#define NAMP_WIDE_FLOAT16_ATTENTION(...) \
  NAMP_TENSOR_ATTENTION("attention_256_sm80", "float16_", __VA_ARGS__)
#define NAMP_WIDE_BFLOAT16_ATTENTION(...) \
  NAMP_TENSOR_ATTENTION("attention_256_sm80", "bfloat16_", __VA_ARGS__)
inline constexpr AttentionKernels kAttentionFloat16[] = {NAMP_FOR_EACH_TENSOR_ATTENTION(
    NAMP_FLOAT16_ATTENTION) NAMP_FOR_EACH_WIDE_TENSOR_ATTENTION(NAMP_WIDE_FLOAT16_ATTENTION)};
inline constexpr AttentionKernels kAttentionBFloat16[] = {NAMP_FOR_EACH_TENSOR_ATTENTION(
    NAMP_BFLOAT16_ATTENTION) NAMP_FOR_EACH_WIDE_TENSOR_ATTENTION(NAMP_WIDE_BFLOAT16_ATTENTION)};
#undef NAMP_FLOAT16_ATTENTION
#undef NAMP_BFLOAT16_ATTENTION
#undef NAMP_WIDE_FLOAT16_ATTENTION
#undef NAMP_WIDE_BFLOAT16_ATTENTION
#undef NAMP_TENSOR_ATTENTION
#undef NAMP_ATTENTION_KERNEL

// Wider heads: a row a warp.
inline constexpr Kernel<AttentionArgs> kAttentionForwardWide{
    "attention_wide", "attention_forward_wide_kernel", kAttentionThreads};
inline constexpr Kernel<AttentionArgs> kAttentionQueriesWide{
    "attention_wide", "attention_queries_wide_kernel", kAttentionThreads};
inline constexpr Kernel<AttentionArgs> kAttentionKeysWide{
    "attention_wide", "attention_keys_wide_kernel", kAttentionThreads};

// Products of a launch of attention, at most: on a GPU that draws a screen too, a launch of seconds
// is ended by the system (error 702), and the context with it. The kernels of wide heads took 0.1 to
// 0.4 s for this many on small GPUs, by the estimates of docs/gpu-report.md, and 0.15 s on an H100;
// the others are faster by more than 10 times. Tests lower it.
inline int64_t most_attention_products = int64_t{1} << 33;

// Rows of a launch, by the products of one, with as many vectors as there are times: whole tasks.
inline int64_t attention_rows_per_launch(int64_t times, int64_t head_dim, int64_t rows_of_task) {
  const int64_t rows = most_attention_products / times / head_dim / rows_of_task;
  return (rows > 1 ? rows : 1) * rows_of_task;
}

}  // namespace namp::cuda
