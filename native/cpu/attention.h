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

struct AttentionShape {
  explicit AttentionShape(const namp_attention_args& args)
      : time(args.time),
        head_dim(args.head_dim),
        // Rows of float32 are padded to the widest tile.
        width((args.head_dim + 31) / 32 * 32),
        blocks((args.time + kAttentionBlock - 1) / kAttentionBlock) {}

  // The number of queries (or keys) of a block.
  int64_t block_count(int64_t block) const {
    return std::min(kAttentionBlock, time - block * kAttentionBlock);
  }

  // Floats of a head's rows.
  int64_t head_floats() const { return blocks * kAttentionBlock * width; }

  // Floats of a worker's scratch memory. Forward: keys and values of all times; queries transposed
  // and output of a block, its scores, three numbers a query.
  int64_t forward_floats() const {
    return 2 * head_floats() + 2 * kAttentionBlock * width + kAttentionBlock * kAttentionBlock +
           4 * kAttentionBlock + kAttentionBufferRows * width;
  }

  // Backward: queries, output gradients and query gradients of all times; keys, both transposed,
  // and two gradients of a block; two blocks of scores; a number a query.
  int64_t backward_floats() const {
    return 3 * head_floats() + 5 * kAttentionBlock * width + 2 * kAttentionBlock * kAttentionBlock +
           blocks * kAttentionBlock + kAttentionBufferRows * width;
  }

  int64_t time;
  int64_t head_dim;
  int64_t width;
  int64_t blocks;
};

}  // namespace namp
