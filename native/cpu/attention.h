// The blocks of attention, and the scratch memory of a worker.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nativeamp.h"

namespace namp {

// Queries and keys of a block: the scores of a block stay in the first-level cache.
inline constexpr int64_t kAttentionBlock = 32;

// Rows that are scaled before they are transposed.
inline constexpr int64_t kAttentionBufferRows = 16;

// The most queries, counted over the heads that share keys, that are multiplied row by row, as a token
// with a key-value cache. More of them are worth blocks.
inline constexpr int64_t kAttentionFewQueries = 16;

struct AttentionShape {
  explicit AttentionShape(const namp_attention_args& args)
      : query_time(args.query_time),
        key_time(args.key_time),
        first_time(args.key_time - args.query_time),
        causal(args.causal != 0),
        head_dim(args.head_dim),
        // Rows of float32 are padded to the widest tile.
        width((args.head_dim + 31) / 32 * 32),
        query_blocks(blocks_of(args.query_time)),
        key_blocks(blocks_of(args.key_time)),
        group(args.heads / args.key_heads) {}

  static int64_t blocks_of(int64_t time) { return (time + kAttentionBlock - 1) / kAttentionBlock; }

  // The number of queries, or keys, of a block.
  int64_t queries_of(int64_t block) const {
    return std::min(kAttentionBlock, query_time - block * kAttentionBlock);
  }
  int64_t keys_of(int64_t block) const {
    return std::min(kAttentionBlock, key_time - block * kAttentionBlock);
  }

  // The keys that a query sees: the first ones.
  int64_t seen_by(int64_t query) const { return causal ? first_time + query + 1 : key_time; }

  // The block of the first query that sees a key.
  int64_t block_seeing(int64_t key) const {
    return causal ? std::max<int64_t>(0, key - first_time) / kAttentionBlock : 0;
  }

  // Floats of a head's rows.
  int64_t query_floats() const { return query_blocks * kAttentionBlock * width; }
  int64_t key_floats() const { return key_blocks * kAttentionBlock * width; }

  bool has_few_queries() const { return group * query_time <= kAttentionFewQueries; }

  // Floats of a worker's scratch memory. Forward: keys and values of all times; queries transposed
  // and output of a block, its scores, three numbers a query.
  int64_t forward_floats() const {
    return 2 * key_floats() + 2 * kAttentionBlock * width + kAttentionBlock * kAttentionBlock +
           4 * kAttentionBlock + kAttentionBufferRows * width;
  }

  // Of few queries: the queries and their output, their scores; keys transposed and values of a
  // block; two numbers a query.
  int64_t few_floats() const {
    return 2 * kAttentionFewQueries * width + kAttentionFewQueries * kAttentionBlock +
           2 * kAttentionBlock * width + 2 * kAttentionFewQueries + kAttentionBufferRows * width;
  }

  // Key blocks whose gradients are in memory at a time: all where several heads add to them.
  int64_t gradient_blocks() const { return group == 1 ? 1 : key_blocks; }

  // Backward: queries, output gradients and query gradients of all times; keys, and both transposed,
  // of a block; two gradients; two blocks of scores; a number a query.
  int64_t backward_floats() const {
    return 3 * query_floats() + (3 + 2 * gradient_blocks()) * kAttentionBlock * width +
           2 * kAttentionBlock * kAttentionBlock + query_blocks * kAttentionBlock +
           kAttentionBufferRows * width;
  }

  int64_t query_time;
  int64_t key_time;
  int64_t first_time;  // of the queries, in a causal call
  bool causal;
  int64_t head_dim;
  int64_t width;
  int64_t query_blocks;
  int64_t key_blocks;
  int64_t group;  // heads that share keys
};

}  // namespace namp
