// How a block multiplies on tensor cores in the passes of attention, of float16 and bfloat16: scores and
// sums are float32; weights and slopes are rounded to the dtype before they are multiplied again.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/attention_passes.cuh"
#include "cuda/attention_kernels.h"
#include "cuda/tensor_core.cuh"

namespace namp::cuda {

// A block's warps hold its rows in registers, 16 or 32 a warp: each matrix that is read from a tile is
// multiplied with all of a warp's rows. Of wide heads two warps have the same rows (kSplit), each with
// half of the dimensions: of the rows, and of the sums. They add up the halves of their scores; from
// there on both have the same.
template <class Pair, int kWidthOfHead, int kRowsOfBlock, int kTileColumns, int kWarpsOfRows>
struct TensorEngine {
  static constexpr int kSplit = kWarpsOfRows;
  static_assert(kSplit == 1 || kSplit == 2);
  static constexpr int kThreads = kAttentionThreads * kSplit;
  static constexpr int kRows = kRowsOfBlock;
  static constexpr int kColumns = kTileColumns;
  static constexpr int kStages = 2;
  static constexpr int kWidth = kWidthOfHead;
  static constexpr int kOwnWidth = kWidth / kSplit;                  // of a warp
  static constexpr int kParts = kRows / kAttentionWarps / kRowsOfA;  // of a warp's rows
  static constexpr int kSlots = 2 * kParts;
  static constexpr int kScores = kParts * kColumns / 2;
  static constexpr int kSums = kParts * kOwnWidth / 2;
  using Tile = SharedTile<kOwnWidth, kWidth>;
  static constexpr int tile_words(int rows) { return Tile::words(rows); }
  static constexpr int kOwnWords = 0;
  static_assert(kStages * 2 * kColumns >= kRows, "the block's rows pass through the tiles");

  int thread = thread_index();
  int lane = thread % kWarp;
  int warp_row = thread / kWarp / kSplit * (kParts * kRowsOfA);
  int half = kSplit == 1 ? 0 : thread / kWarp % kSplit;

  NAMP_DEVICE int row(int slot) const {
    return warp_row + slot / 2 * kRowsOfA + slot % 2 * 8 + lane / 4;
  }
  NAMP_DEVICE bool leads() const { return lane % 4 == 0 && half == 0; }
  NAMP_DEVICE static int score_slot(int i) { return i / (kColumns / 2) * 2 + i / 2 % 2; }
  NAMP_DEVICE static int sum_slot(int i) { return i / (kOwnWidth / 2) * 2 + i / 2 % 2; }
  NAMP_DEVICE int score_column(int i) const {
    return i % (kColumns / 2) / 4 * 8 + lane % 4 * 2 + i % 2;
  }
  template <class Op>
  NAMP_DEVICE static float reduce(float x, Op op) {
    x = op(x, exchange(x, 1));
    return op(x, exchange(x, 2));
  }

  template <int kCount>
  struct Copies {
    TileCopies<kCount, kWidth, kThreads> words;

    NAMP_DEVICE Copies(const namp_attention_args& call, int64_t stride)
        : words(stride * 2, static_cast<int>(call.head_dim) / kWordElements) {}
    NAMP_DEVICE void start(Words* tile, const void* data, int64_t first, int rows_left) const {
      words.start(tile, static_cast<const uint16_t*>(data) + first, rows_left);
    }
  };
  NAMP_DEVICE static void fill_float(float* to, const float* from, bool there) {
    copy_float(shared_address(to), from, there);
  }
  NAMP_DEVICE static void await_fills() {
    commit_copies();
    wait_for_copies<0>();
  }

  struct Rows {
    uint32_t parts[kOwnWidth / kDepth][kParts][4];

    template <class Fill>
    NAMP_DEVICE Rows(const TensorEngine& engine, Words*, Words* tiles, bool negated, Fill&& fill) {
      barrier();  // what was in the memory has been read
      fill(tiles);
      await_fills();
      barrier();
#pragma unroll
      for (int depth = 0; depth < kOwnWidth / kDepth; ++depth) {
#pragma unroll
        for (int part = 0; part < kParts; ++part)
          engine.own(tiles).load_a(parts[depth][part], engine.warp_row + part * kRowsOfA, depth,
                                   engine.lane);
      }
      if (!negated) return;
#pragma unroll
      for (int depth = 0; depth < kOwnWidth / kDepth; ++depth) {
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
#pragma unroll
          for (uint32_t& both : parts[depth][part])
            both ^= 0x80008000u;
        }
      }
    }
  };

  NAMP_DEVICE void multiply(float (&scores)[kScores], const Rows& rows, const Words* tile) const {
#pragma unroll
    for (float& score : scores)
      score = 0.0f;
#pragma unroll
    for (int depth = 0; depth < kOwnWidth / kDepth; ++depth)
      multiply_by_rows<Pair, kColumns>(scores, rows.parts[depth], own(tile), depth, lane);
    if (kSplit > 1) add_other_half(scores);
  }
  NAMP_DEVICE void add_product(float (&sums)[kSums], const float (&weights)[kScores],
                               const Words* tile) const {
    multiply_by_columns<Pair, kColumns, kParts>(sums, weights, own(tile), lane);
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

  // Through the warp's rows of a tile: 16 bytes of a lane at a time, 64 of a row side by side. The rows
  // that eight lanes read at a time are four apart: their words lie in different banks.
  template <class Part>
  NAMP_DEVICE void store(const float (&sums)[kSums], Words* tiles, const Part& part, void* data,
                         int64_t first, int64_t stride) const {
    // Found again, so that no register keeps what is needed here while tiles are multiplied.
    TensorEngine{opaque(thread_index())}.store_found(sums, tiles, part, data, first, stride);
  }

 private:
  template <class Part>
  NAMP_DEVICE void store_found(const float (&sums)[kSums], Words* tiles, const Part& part,
                               void* data, int64_t first, int64_t stride) const {
    constexpr int kQuads = kOwnWidth / kWordElements / 4;  // of a row
    const Tile rows = own(tiles);
    barrier();  // what was there has been read
#pragma unroll
    for (int slot = 0; slot < kSlots; ++slot) {
      const uint32_t to = rows.at(row(slot), 0) + static_cast<uint32_t>(lane % 4 * 4);
#pragma unroll
      for (int n = 0; n < kOwnWidth / 8; ++n) {
        const float* const pair = sums + slot / 2 * (kOwnWidth / 2) + n * 4 + slot % 2 * 2;
        store_shared(to + static_cast<uint32_t>(n * 16), Pair::pack(pair[0], pair[1]));
      }
    }
    warp_barrier();
    auto* const to = static_cast<uint16_t*>(data) + first;
#pragma unroll
    for (int i = 0; i < kSlots * kQuads; ++i) {
      const int eight = i * 4 + lane / 8;
      const int eights = eight / kQuads;
      const int own_row = warp_row + eights / 4 * 8 + eights % 4 + lane / 4 % 2 * 4;
      const int word = eight % kQuads * 4 + lane % 4;
      const int at = part.first + own_row;
      const int dim = half * kOwnWidth + word * kWordElements;
      if (at < part.rows() && dim < part.dims()) {
        store_words<0>(reinterpret_cast<Words*>(to + at * stride + dim),
                       load_shared_words(rows.at(own_row, word)));
      }
    }
  }

  // The warp's dimensions of a tile.
  NAMP_DEVICE Tile own(const Words* tile) const {
    return Tile(tile + half * (kOwnWidth / kWordElements));
  }
  // a + b is b + a: both warps get the same bits.
  NAMP_DEVICE void add_other_half(float (&scores)[kScores]) const {
    __shared__ Words halves[kScores / 4 * kThreads];
    constexpr uint32_t kStep = kThreads * sizeof(Words);
    const uint32_t mine = word_address(halves, thread);
    const uint32_t others = word_address(halves, thread ^ kWarp);
    const int pair = 1 + thread / (kSplit * kWarp);  // barrier 0 is the block's
    some_warps_barrier(pair, kSplit * kWarp);        // what was there has been read
#pragma unroll
    for (int k = 0; k < kScores / 4; ++k)
      store_shared_floats(mine + static_cast<uint32_t>(k) * kStep, scores + k * 4);
    some_warps_barrier(pair, kSplit * kWarp);
#pragma unroll
    for (int k = 0; k < kScores / 4; ++k) {
      float other[4];
      load_shared_floats(other, others + static_cast<uint32_t>(k) * kStep);
#pragma unroll
      for (int j = 0; j < 4; ++j)
        scores[k * 4 + j] += other[j];
    }
  }
  NAMP_DEVICE static uint32_t word_address(const Words* words, int index) {
    return shared_address(words) + static_cast<uint32_t>(index) * sizeof(Words);
  }
};

#define NAMP_ATTENTION_PASS(pass, function, name, Pair, width, rows, columns, split, blocks)  \
  NAMP_KERNEL((TensorEngine<Pair, width, rows, columns, split>::kThreads), blocks)            \
  attention_##pass##_##name##_##width##_kernel(NAMP_GRID_CONSTANT const AttentionArgs args) { \
    function<TensorEngine<Pair, width, rows, columns, split>>(args);                          \
  }
#define NAMP_OF_BOTH_DTYPES(pass, function, ...)                         \
  NAMP_ATTENTION_PASS(pass, function, float16, Float16Pair, __VA_ARGS__) \
  NAMP_ATTENTION_PASS(pass, function, bfloat16, BFloat16Pair, __VA_ARGS__)
// The kernels of a row of NAMP_FOR_EACH_TENSOR_ATTENTION.
#define NAMP_TENSOR_ATTENTION(width, rows_f, columns_f, split_f, blocks_f, rows_q, columns_q,  \
                              split_q, blocks_q, rows_k, columns_k, split_k, blocks_k)         \
  NAMP_OF_BOTH_DTYPES(forward, attention_forward, width, rows_f, columns_f, split_f, blocks_f) \
  NAMP_OF_BOTH_DTYPES(queries, attention_query_gradients, width, rows_q, columns_q, split_q,   \
                      blocks_q)                                                                \
  NAMP_OF_BOTH_DTYPES(keys, attention_key_gradients, width, rows_k, columns_k, split_k, blocks_k)

}  // namespace namp::cuda
