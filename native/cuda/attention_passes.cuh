// The three passes of attention in the way of FlashAttention-2 (Dao 2023), without the matrix of
// scores: a block has some rows, queries or keys, and goes over the others a tile at a time.
// Forward keeps a running maximum and sum; backward makes the scores again from the logarithm of the
// sum, once for the gradient of queries and once, with rows that are keys, for those of keys and
// values. A sum is gathered by one block, so the bits are the same in every run. A value that is not
// finite reaches every query of its tile, also one that may not see it.
//
// An Engine says how a block multiplies: on tensor cores (attention_tensor.cuh) or by fused
// multiplication and addition (attention.cu). Each thread has some columns of kSlots rows. Engine
// has the following; D is scores [kRows, kColumns] or sums [kRows, kWidth].
//   kThreads                          of a block
//   kRows, kColumns, kWidth, kSlots   rows of a block, columns of a tile, of a head; rows of a thread
//   kScores, kSums                    elements of a thread's part of D
//   kTileWords(rows), kOwnWords       shared memory of a tile; what the block's rows keep for
//                                     themselves, 0 if they are held in registers
//   row(slot), leads()                which row; whether to write what there is once for each row
//   score_slot(i), score_column(i), sum_slot(i)
//   Copies<rows>(call, stride)        what copies rows of one head into shared memory:
//     start(tile, data, first, left)  begins to, from the first-th element on; zeros where none are left
//   fill_float(to, from, there)       the same of one float; zero if it is not there
//   await_fills()                     what this thread copied is there
//   kStages                           tiles that are in shared memory at a time: of two, one is filled
//                                     while the other is multiplied
//   Rows                              the block's rows as the left side of a product, perhaps negated
//   multiply(scores, rows, tile)      scores = rows * tile transposed
//   add_product(sums, scores, tile)   sums += scores * tile
//   reduce(x, op)                     over the threads that have a row
//   output_product(...)               this thread's part of a row of the output times its gradient
//   store(sums, tiles, ...)           may use the tiles, which nothing is read of any more
#pragma once

#include "cuda/platform.cuh"

#include "cuda/attention_head.cuh"
#include "cuda/attention_kernels.h"
#include "cuda/loop.cuh"
#include "cuda/reduce.cuh"
#include "formulas/math.h"

namespace namp::cuda {

// 2^x to 2 units in the last place of float32; results below the least normal number are 0.
NAMP_DEVICE float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

inline constexpr float kNothing = -__builtin_inff();  // a score that is not there

// The larger of two of which one may be NaN: that is lost here, and comes back by the exponential.
struct LargerNumber {
  NAMP_DEVICE float operator()(float a, float b) const {
    float larger;
    asm("max.f32 %0, %1, %2;" : "=f"(larger) : "f"(a), "f"(b));
    return larger;
  }
};

// A product's share by the softmax, from the logarithm to base 2 of its row's sum.
NAMP_DEVICE float share_of(const ScoreScale& scale, float product, float log_sum) {
  return fast_exp2(multiply_add(product, scale.to_log2, -log_sum));
}

// A maximum is followed by larger ones only when one is 2^8 times as much, after the exponential: sums are
// then scaled anew, which few tiles need (as FlashAttention-4 does).
inline constexpr float kGrowth = 8.0f;

// Products with keys that their query does not see become none, in a tile from key on.
template <class Engine, class Part>
NAMP_DEVICE void hide_unseen(float (&products)[Engine::kScores], const Engine& engine,
                             const Part& part, int key) {
  if (part.sees_all(part.first, key, Engine::kColumns)) return;
  int last[Engine::kSlots];
#pragma unroll
  for (int slot = 0; slot < Engine::kSlots; ++slot)
    last[slot] = part.last_key(part.first + engine.row(slot)) - key;
#pragma unroll
  for (int k = 0; k < Engine::kScores; ++k) {
    const bool sees = engine.score_column(k) <= last[Engine::score_slot(k)];
    products[k] = sees ? products[k] : kNothing;
  }
}

// Goes over columns begin to end - 1, a tile at a time: fill(stage, column) begins to copy the tile
// that starts there, use(stage, column) multiplies it.
template <class Engine, class Fill, class Use>
NAMP_DEVICE void over_tiles(int begin, int end, Fill&& fill, Use&& use) {
  constexpr bool kAhead = Engine::kStages > 1;
  static_assert(Engine::kStages <= 2);
  if (kAhead) {
    barrier();  // what was in the memory has been read
    if (begin < end) fill(0, begin);
  }
  int stage = 0;
  for (int column = begin; column < end; column += Engine::kColumns) {
    if (kAhead) {
      Engine::await_fills();
      barrier();  // the tile is there, and the one before it has been read
      if (column + Engine::kColumns < end) fill(1 - stage, column + Engine::kColumns);
    } else {
      barrier();
      fill(0, column);
      Engine::await_fills();
      barrier();
    }
    use(stage, column);
    if (kAhead) stage = 1 - stage;
  }
}

// The same over keys, whose tiles and those of values lie one behind the other.
template <class Engine, class Part, class Use>
NAMP_DEVICE void over_keys(const Part& part, Words* tiles, int end, Use&& use) {
  constexpr int kTile = Engine::tile_words(Engine::kColumns);
  const typename Engine::template Copies<Engine::kColumns> copies(part.call,
                                                                  part.call.key_time_stride);
  over_tiles<Engine>(
      0, end,
      [&](int stage, int key) {
        Words* const to = tiles + stage * (2 * kTile);
        part.start_key(copies, to, part.call.key, key);
        part.start_key(copies, to + kTile, part.call.value, key);
      },
      [&](int stage, int key) {
        const Words* const keys = tiles + stage * (2 * kTile);
        use(keys, keys + kTile, key);
      });
}

template <class Engine>
NAMP_DEVICE void attention_forward(const AttentionArgs& args) {
  constexpr int kRows = Engine::kRows;
  constexpr int kColumns = Engine::kColumns;
  constexpr int kTile = Engine::tile_words(kColumns);
  __shared__ Words memory[Engine::kOwnWords + Engine::kStages * 2 * kTile];
  Words* const tiles = memory + Engine::kOwnWords;
  const namp_attention_args& call = args.call;
  const ScoreScale& scale = args.scale;
  const Engine engine;
  using Copies = typename Engine::template Copies<kRows>;
  for (int64_t i = block_index(); i < args.count; i += block_count()) {
    const HeadPart<false> part(call, args.first + i, kRows, call.causal != 0);
    const Copies rows(call, call.query_time_stride);
    const typename Engine::Rows queries(engine, memory, tiles, scale.is_negative, [&](Words* to) {
      part.start_query(rows, to, call.query, part.first);
    });
    float output[Engine::kSums] = {};
    float maximum[Engine::kSlots];  // of products; not the last one, if that is little larger
    float base[Engine::kSlots];     // its score's logarithm to base 2
    float sum[Engine::kSlots];
#pragma unroll
    for (int slot = 0; slot < Engine::kSlots; ++slot) {
      maximum[slot] = kNothing;
      base[slot] = 0.0f;
      sum[slot] = 0.0f;
    }
    const auto use = [&](const Words* keys, const Words* values, int key) {
      float scores[Engine::kScores];
      engine.multiply(scores, queries, keys);
      hide_unseen(scores, engine, part, key);
      float largest[Engine::kSlots];
#pragma unroll
      for (int slot = 0; slot < Engine::kSlots; ++slot)
        largest[slot] = maximum[slot];
#pragma unroll
      for (int k = 0; k < Engine::kScores; ++k) {
        float& of_row = largest[Engine::score_slot(k)];
        of_row = LargerNumber()(of_row, scores[k]);
      }
      bool grew = false;
#pragma unroll
      for (int slot = 0; slot < Engine::kSlots; ++slot) {
        largest[slot] = Engine::reduce(largest[slot], LargerNumber());
        grew = grew || (largest[slot] - maximum[slot]) * scale.to_log2 > kGrowth;
      }
      if (any_lane(grew)) {
        float kept[Engine::kSlots];
#pragma unroll
        for (int slot = 0; slot < Engine::kSlots; ++slot) {
          // Of nothing but -infinity there is no maximum to subtract.
          const float next = largest[slot] == kNothing ? 0.0f : largest[slot] * scale.to_log2;
          kept[slot] = maximum[slot] == kNothing ? 0.0f : fast_exp2(base[slot] - next);
          maximum[slot] = largest[slot];
          base[slot] = next;
          sum[slot] *= kept[slot];
        }
#pragma unroll
        for (int k = 0; k < Engine::kSums; ++k)
          output[k] *= kept[Engine::sum_slot(k)];
      }
#pragma unroll
      for (int k = 0; k < Engine::kScores; ++k) {
        const int slot = Engine::score_slot(k);
        scores[k] = share_of(scale, scores[k], base[slot]);
        sum[slot] += scores[k];
      }
      engine.add_product(output, scores, values);
    };
    over_keys<Engine>(part, tiles, part.keys_end(kRows), use);
#pragma unroll
    for (int slot = 0; slot < Engine::kSlots; ++slot) {
      sum[slot] = Engine::reduce(sum[slot], Plus());
      const int row = part.first + engine.row(slot);
      if (engine.leads() && row < part.queries() && call.log_sum_exp != nullptr) {
        store((maximum[slot] == kNothing ? 0.0f : maximum[slot] * scale.size) + log(sum[slot]),
              call.log_sum_exp + part.head * call.query_time + row);
      }
      sum[slot] = 1.0f / sum[slot];
    }
#pragma unroll
    for (int k = 0; k < Engine::kSums; ++k)
      output[k] *= sum[Engine::sum_slot(k)];
    engine.store(output, tiles, part, call.output, part.out, call.output_time_stride);
  }
}

// The gradients of queries, and what each query's row of scores has in common for the next pass.
template <class Engine>
NAMP_DEVICE void attention_query_gradients(const AttentionArgs& args) {
  constexpr int kRows = Engine::kRows;
  constexpr int kColumns = Engine::kColumns;
  constexpr int kTile = Engine::tile_words(kColumns);
  constexpr int kSharing = Engine::kThreads / kRows;  // threads of a row's product
  __shared__ Words memory[2 * (Engine::kOwnWords + Engine::kStages * kTile)];
  __shared__ float products[kRows];
  Words* const tiles = memory + 2 * Engine::kOwnWords;
  const namp_attention_args& call = args.call;
  const ScoreScale& scale = args.scale;
  const Engine engine;
  using Copies = typename Engine::template Copies<kRows>;
  for (int64_t i = block_index(); i < args.count; i += block_count()) {
    const HeadPart<false> part(call, args.first + i, kRows, call.causal != 0);
    const Copies rows(call, call.query_time_stride);
    const typename Engine::Rows queries(engine, memory, tiles, scale.is_negative, [&](Words* to) {
      part.start_query(rows, to, call.query, part.first);
    });
    const Copies out_rows(call, call.output_time_stride);
    const typename Engine::Rows gradients(
        engine, memory + Engine::kOwnWords, tiles, false,
        [&](Words* to) { part.start_out(out_rows, to, call.output_gradient, part.first); });
    const int own = thread_index() / kSharing;
    const int64_t first_row = part.head * call.query_time + part.first;
    float product = 0.0f;
    if (part.first + own < part.queries()) {
      product =
          Engine::output_product(call, part.out + (part.first + own) * call.output_time_stride,
                                 thread_index() % kSharing, kSharing);
    }
#pragma unroll
    for (int mask = kSharing / 2; mask > 0; mask /= 2)
      product += exchange(product, mask);
    product *= call.scale;
    if (thread_index() % kSharing == 0) {
      products[own] = product;
      if (part.first + own < part.queries()) store(product, args.deltas + first_row + own);
    }
    barrier();
    float log_sum[Engine::kSlots];
    float delta[Engine::kSlots];
#pragma unroll
    for (int slot = 0; slot < Engine::kSlots; ++slot) {
      const int row = engine.row(slot);
      const bool there = part.first + row < part.queries();
      log_sum[slot] = there ? load(call.log_sum_exp + first_row + row) * kLog2E : 0.0f;
      delta[slot] = products[row];
    }
    float sum[Engine::kSums] = {};
    const auto use = [&](const Words* keys, const Words* values, int key) {
      float slopes[Engine::kScores];
      float upstream[Engine::kScores];
      engine.multiply(slopes, queries, keys);
      hide_unseen(slopes, engine, part, key);
      engine.multiply(upstream, gradients, values);
#pragma unroll
      for (int k = 0; k < Engine::kScores; ++k) {
        const int slot = Engine::score_slot(k);
        slopes[k] = share_of(scale, slopes[k], log_sum[slot]) *
                    multiply_add(upstream[k], call.scale, -delta[slot]);
      }
      engine.add_product(sum, slopes, keys);
    };
    over_keys<Engine>(part, tiles, part.keys_end(kRows), use);
    // The place of the queries is found again: meanwhile the sums have its registers.
    const HeadPart<false> same(call, args.first + opaque(i), kRows, call.causal != 0);
    engine.store(sum, tiles, same, call.query_gradient, same.query, call.query_time_stride);
  }
}

// The gradients of keys and values: rows are keys, columns queries.
template <class Engine>
NAMP_DEVICE void attention_key_gradients(const AttentionArgs& args) {
  constexpr int kRows = Engine::kRows;
  constexpr int kColumns = Engine::kColumns;
  constexpr int kTile = Engine::tile_words(kColumns);
  __shared__ Words memory[2 * (Engine::kOwnWords + Engine::kStages * kTile)];
  __shared__ float log_sums[Engine::kStages * kColumns];
  __shared__ float deltas[Engine::kStages * kColumns];
  Words* const tiles = memory + 2 * Engine::kOwnWords;
  const namp_attention_args& call = args.call;
  const ScoreScale& scale = args.scale;
  const Engine engine;
  using Copies = typename Engine::template Copies<kRows>;
  for (int64_t i = block_index(); i < args.count; i += block_count()) {
    HeadPart<true> part(call, args.first + i, kRows, false);
    const Copies rows(call, call.key_time_stride);
    const typename Engine::Rows keys(engine, memory, tiles, scale.is_negative, [&](Words* to) {
      part.start_key(rows, to, call.key, part.first);
    });
    const typename Engine::Rows values(
        engine, memory + Engine::kOwnWords, tiles, false,
        [&](Words* to) { part.start_key(rows, to, call.value, part.first); });
    const typename Engine::template Copies<kColumns> query_copies(call, call.query_time_stride);
    const typename Engine::template Copies<kColumns> out_copies(call, call.output_time_stride);
    float key_sum[Engine::kSums] = {};
    float value_sum[Engine::kSums] = {};
    const auto fill = [&](int stage, int query) {
      Words* const to = tiles + stage * (2 * kTile);
      part.start_query(query_copies, to, call.query, query);
      part.start_out(out_copies, to + kTile, call.output_gradient, query);
      if (thread_index() < kColumns) {
        // Of a query that is not there all is 0: its share is 1, of a gradient of 0.
        const int row = query + thread_index();
        const bool there = row < part.queries();
        const int64_t at = part.head * call.query_time + row;
        const int own = stage * kColumns + opaque(thread_index());
        Engine::fill_float(log_sums + own, call.log_sum_exp + at, there);
        Engine::fill_float(deltas + own, args.deltas + at, there);
      }
    };
    const auto use = [&](int stage, int query) {
      const Words* const queries = tiles + stage * (2 * kTile);
      const Words* const gradients = queries + kTile;
      const float* const own_log_sums = log_sums + stage * kColumns;
      const float* const own_deltas = deltas + stage * kColumns;
      float shares[Engine::kScores];
      engine.multiply(shares, keys, queries);
      if (call.causal != 0 && !part.sees_all(query, part.first, kRows)) {
        const int first = part.first_query(part.first) - query;
#pragma unroll
        for (int k = 0; k < Engine::kScores; ++k) {
          const bool sees = engine.score_column(k) >= first + engine.row(Engine::score_slot(k));
          shares[k] = sees ? shares[k] : kNothing;
        }
      }
#pragma unroll
      for (int k = 0; k < Engine::kScores; ++k) {
        const float log_sum = own_log_sums[engine.score_column(k)] * kLog2E;
        shares[k] = share_of(scale, shares[k], log_sum);
      }
      engine.add_product(value_sum, shares, gradients);
      float upstream[Engine::kScores];
      engine.multiply(upstream, values, gradients);
#pragma unroll
      for (int k = 0; k < Engine::kScores; ++k)
        shares[k] *= multiply_add(upstream[k], call.scale, -own_deltas[engine.score_column(k)]);
      engine.add_product(key_sum, shares, queries);
    };
    for (int left = static_cast<int>(part.sharing()); left > 0; --left) {
      // Found again for each head: a register more would be spilled.
      part.first = opaque(part.first);
      const int begin = part.first_seeing() / kColumns * kColumns;
      over_tiles<Engine>(begin, part.queries(), fill, use);
      part.next_head();
    }
    // The place of the keys is found again: meanwhile the sums have its registers.
    const HeadPart<true> same(call, args.first + opaque(i), kRows, false);
    engine.store(key_sum, tiles, same, call.key_gradient, same.key, call.key_time_stride);
    engine.store(value_sum, tiles, same, call.value_gradient, same.key, call.key_time_stride);
  }
}

}  // namespace namp::cuda
