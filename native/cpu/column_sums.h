// Sums over rows by blocks: each block of rows leaves a row of sums, and the rows of sums are added
// in the order of the blocks, so that results do not depend on threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/threads.h"
#include "nativeamp.h"
#include "table_view.h"

namespace namp {

// Rows of a norm in one block, on which one thread works, and whose parameter gradients are summed
// together.
inline int64_t block_rows(int64_t width) {
  return std::clamp<int64_t>(kChunkElements / width, 4, 64);
}

// Adds the [blocks - 1, columns] after it to sums [columns].
void add_blocks(const Threads& threads, namp_simd simd, float* sums, int64_t blocks,
                int64_t columns);

}  // namespace namp
