// Rows of a matrix in half precision, copied to where they begin at 16 bytes, and back.
#include "cuda/platform.cuh"

#include "cuda/gemm_kernels.h"

namespace namp::cuda {

// One side's rows begin anywhere, so that elements are moved one by one: neighbours by neighbouring threads, a
// pack of loads in flight before the first store.
NAMP_KERNEL(kElementThreads) pad_rows_kernel(NAMP_GRID_CONSTANT const PadRowsArgs args) {
  const int64_t tiles = blocks(args.to_columns, kPadColumns);
  const int64_t row_step = block_count() / tiles;
  const int64_t tile_step = block_count() % tiles;
  int64_t row = block_index() / tiles;
  int64_t tile = block_index() % tiles;
  while (row < args.to_rows) {
    const int64_t first = tile * kPadColumns + thread_index();
    const uint16_t* from = args.from + row * args.from_ld + first;
    uint16_t* to = args.to + row * args.to_ld + first;
    const int64_t there = row < args.from_rows ? args.from_columns - first : 0;
    const int64_t wanted = args.to_columns - first;
    uint16_t bits[kPack];
#pragma unroll
    for (int i = 0; i < kPack; ++i)
      bits[i] = i * kElementThreads < there ? load_global(from, i * kElementThreads) : uint16_t{0};
#pragma unroll
    for (int i = 0; i < kPack; ++i) {
      if (i * kElementThreads < wanted) store_global(to, bits[i], i * kElementThreads);
    }
    row += row_step;
    tile += tile_step;
    if (tile >= tiles) {
      tile -= tiles;
      ++row;
    }
  }
}

}  // namespace namp::cuda
