// Sums down the columns of a matrix. A block has 32 adjacent columns, so that a warp reads
// contiguous elements of a row. The block's warps share the rows, in an order that does not depend
// on the grid.
#pragma once

#include "cuda/kernels.h"
#include "cuda/platform.cuh"
#include "cuda/reduce.cuh"

namespace namp::cuda {

// add(row, column, sums) adds an element's contribution to kCount LongSums; finish(column, sums)
// receives them.
template <int kCount, class Add, class Finish>
NAMP_DEVICE void sum_columns(int64_t rows, int64_t columns, Add&& add, Finish&& finish) {
  constexpr int kWarps = kColumnThreads / kColumnsPerBlock;
  __shared__ double partial[kCount][kWarps][kColumnsPerBlock];
  const int own = thread_index() % kColumnsPerBlock;
  const int warp = thread_index() / kColumnsPerBlock;
  for (int64_t first = block_index() * kColumnsPerBlock; first < columns;
       first += block_count() * kColumnsPerBlock) {
    const int64_t column = first + own;
    LongSum parts[kCount];
    if (column < columns) {
      for (int64_t row = warp; row < rows; row += kWarps)
        add(row, column, parts);
    }
    double sums[kCount];
#pragma unroll
    for (int k = 0; k < kCount; ++k)
      partial[k][warp][own] = sums[k] = parts[k].get();
    barrier();
    if (warp == 0 && column < columns) {
      for (int other = 1; other < kWarps; ++other) {
#pragma unroll
        for (int k = 0; k < kCount; ++k)
          sums[k] += partial[k][other][own];
      }
      finish(column, sums);
    }
    barrier();
  }
}

}  // namespace namp::cuda
