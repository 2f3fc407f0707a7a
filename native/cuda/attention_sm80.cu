// Attention on tensor cores, of float16 and bfloat16: scores and sums are float32; weights and slopes
// are rounded to the dtype before they are multiplied again.
#include "cuda/platform.cuh"

#include "cuda/attention_passes.cuh"
#include "cuda/attention_kernels.h"
#include "cuda/tensor_core.cuh"

namespace namp::cuda {
namespace {

// 16 rows a warp. kHeld: the block's rows stay in registers; where they would be too many they are
// read from shared memory for each product.
template <class Pair, int kWidthOfHead, int kTileColumns, bool kHeld>
struct TensorEngine {
  static constexpr int kRows = kTensorAttentionRows;
  static constexpr int kColumns = kTileColumns;
  static constexpr int kWidth = kWidthOfHead;
  static constexpr int kSlots = 2;
  static constexpr int kScores = kColumns / 2;
  static constexpr int kSums = kWidth / 2;
  using Tile = SharedTile<kWidth>;
  static constexpr int tile_words(int rows) { return Tile::words(rows); }
  static constexpr int kOwnWords = kHeld ? 0 : tile_words(kRows);
  static_assert(!kHeld || 2 * kColumns >= kRows, "rows to be held pass through the two tiles");

  int lane = thread_index() % kWarp;
  int warp_row = thread_index() / kWarp * kRowsOfA;

  NAMP_DEVICE int row(int slot) const { return warp_row + lane / 4 + slot * 8; }
  NAMP_DEVICE bool leads() const { return lane % 4 == 0; }
  NAMP_DEVICE static int score_slot(int i) { return i / 2 % 2; }
  NAMP_DEVICE static int sum_slot(int i) { return i / 2 % 2; }
  NAMP_DEVICE int score_column(int i) const { return i / 4 * 8 + lane % 4 * 2 + i % 2; }
  template <class Op>
  NAMP_DEVICE static float reduce(float x, Op op) {
    x = op(x, exchange(x, 1));
    return op(x, exchange(x, 2));
  }

  template <int kCount>
  NAMP_DEVICE static void fill(Words* tile, const void* data, int32_t, int64_t first,
                               int64_t stride, int rows_left, int dims) {
    fill_tile<kCount, kWidth, kAttentionThreads>(tile, static_cast<const uint16_t*>(data) + first,
                                                 stride * 2, rows_left, dims / kWordElements);
  }

  struct Rows {
    uint32_t parts[kHeld ? kWidth / kDepth : 1][4];
    Words* own;

    template <class Fill>
    NAMP_DEVICE Rows(const TensorEngine& engine, Words* memory, Words* staging, Fill&& fill)
        : own(memory) {
      barrier();  // what was in the memory has been read
      fill(kHeld ? staging : memory);
      if (!kHeld) return;
      barrier();
#pragma unroll
      for (int depth = 0; depth < (kHeld ? kWidth / kDepth : 0); ++depth)
        Tile(staging).load_a(parts[depth], engine.warp_row, depth, engine.lane);
    }
    NAMP_DEVICE void load(uint32_t (&a)[4], const TensorEngine& engine, int depth) const {
      if (kHeld) {
#pragma unroll
        for (int j = 0; j < 4; ++j)
          a[j] = parts[kHeld ? depth : 0][j];
      } else {
        Tile(own).load_a(a, engine.warp_row, depth, engine.lane);
      }
    }
  };

  NAMP_DEVICE void multiply(float (&scores)[kScores], const Rows& rows, const Words* tile) const {
#pragma unroll
    for (float& score : scores)
      score = 0.0f;
#pragma unroll
    for (int depth = 0; depth < kWidth / kDepth; ++depth) {
      uint32_t a[4];
      rows.load(a, *this, depth);
      multiply_by_rows<Pair, kColumns>(scores, a, Tile(tile), depth, lane);
    }
  }
  NAMP_DEVICE void add_product(float (&sums)[kSums], const float (&weights)[kScores],
                               const Words* tile) const {
    multiply_by_columns<Pair, kColumns>(sums, weights, Tile(tile), lane);
  }

  // Of words part, part + parts, ... of the row.
  NAMP_DEVICE static float output_product(const namp_attention_args& call, int64_t first, int part,
                                          int parts) {
    const auto* a =
        reinterpret_cast<const Words*>(static_cast<const uint16_t*>(call.output) + first);
    const auto* b =
        reinterpret_cast<const Words*>(static_cast<const uint16_t*>(call.output_gradient) + first);
    float sum = 0.0f;
    for (int word = part; word < static_cast<int>(call.head_dim) / kWordElements; word += parts) {
      const Words x = load_words<0>(a + word);
      const Words y = load_words<0>(b + word);
      const uint32_t left[4] = {x.x, x.y, x.z, x.w};
      const uint32_t right[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sum = namp::multiply_add(Pair::first(left[j]), Pair::first(right[j]), sum);
        sum = namp::multiply_add(Pair::second(left[j]), Pair::second(right[j]), sum);
      }
    }
    return sum;
  }

  template <class Part>
  NAMP_DEVICE void store(const float (&sums)[kSums], const Part& part, void* data, int64_t first,
                         int64_t stride) const {
#pragma unroll
    for (int slot = 0; slot < kSlots; ++slot) {
      const int at = part.first + row(slot);
      if (at >= part.queries()) continue;
      auto* to = static_cast<uint16_t*>(data) + first + at * stride + lane % 4 * 2;
#pragma unroll
      for (int n = 0; n < kWidth / 8; ++n) {
        const float* const pair = sums + n * 4 + slot * 2;
        if (n * 8 < part.dims())
          store_global(reinterpret_cast<uint32_t*>(to + n * 8), Pair::pack(pair[0], pair[1]));
      }
    }
  }
};

}  // namespace

// The numbers behind the width: blocks that a multiprocessor should hold, by which registers are
// given out; for keys, which have two sums, another; and the queries of a tile then.
#define NAMP_TENSOR_ATTENTION(name, Pair, width, blocks, key_blocks, queries)                \
  NAMP_KERNEL(kAttentionThreads, blocks)                                                     \
  attention_forward_##name##_##width##_kernel(NAMP_GRID_CONSTANT const AttentionArgs args) { \
    attention_forward<TensorEngine<Pair, width, 64, true>>(args);                            \
  }                                                                                          \
  NAMP_KERNEL(kAttentionThreads, blocks)                                                     \
  attention_queries_##name##_##width##_kernel(NAMP_GRID_CONSTANT const AttentionArgs args) { \
    attention_query_gradients<TensorEngine<Pair, width, 32, true>>(args);                    \
  }                                                                                          \
  NAMP_KERNEL(kAttentionThreads, key_blocks)                                                 \
  attention_keys_##name##_##width##_kernel(NAMP_GRID_CONSTANT const AttentionArgs args) {    \
    attention_key_gradients<TensorEngine<Pair, width, queries, (width <= 64)>>(args);        \
  }

NAMP_TENSOR_ATTENTION(float16, Float16Pair, 32, 4, 4, 32)
NAMP_TENSOR_ATTENTION(float16, Float16Pair, 64, 3, 2, 32)
NAMP_TENSOR_ATTENTION(float16, Float16Pair, 128, 2, 2, 16)
NAMP_TENSOR_ATTENTION(bfloat16, BFloat16Pair, 32, 4, 4, 32)
NAMP_TENSOR_ATTENTION(bfloat16, BFloat16Pair, 64, 3, 2, 32)
NAMP_TENSOR_ATTENTION(bfloat16, BFloat16Pair, 128, 2, 2, 16)

}  // namespace namp::cuda
