// Sums down the columns of a matrix. A task is a tile of columns over a slice of the rows: lanes have 8
// adjacent columns each, and groups of lanes share the slice's rows. The last block of a tile adds the
// slices. The order depends on the shape alone.
#pragma once

#include "cuda/kernels.h"
#include "cuda/platform.cuh"
#include "cuda/loop.cuh"
#include "cuda/reduce.cuh"

namespace namp::cuda {

// This thread's rows of a slice, and its columns.
struct ColumnSlice {
  int64_t first;
  int64_t end;
  int64_t column;
  Prefix part;

  // Calls use(load(row)) for each, with the loads of kTogether rows in flight at a time.
  template <int kTogether, class Load, class Use>
  NAMP_DEVICE void for_rows(Load&& load, Use&& use) const {
    int64_t row = first;
    for (; row + (kTogether - 1) * kColumnGroups < end; row += kTogether * kColumnGroups) {
      decltype(load(row)) loaded[kTogether];
#pragma unroll
      for (int i = 0; i < kTogether; ++i)
        loaded[i] = load(row + i * kColumnGroups);
#pragma unroll
      for (int i = 0; i < kTogether; ++i)
        use(loaded[i]);
    }
    for (; row < end; row += kColumnGroups)
      use(load(row));
  }
};

// A tile's columns lie in shared memory and in the workspace with those of a lane 16 apart: then
// the lanes of a warp store to different banks.
NAMP_DEVICE int column_slot(int lane, int j) { return j * kColumnLanes + lane; }
NAMP_DEVICE int column_of_slot(int slot) {
  return slot % kColumnLanes * kPack + slot / kColumnLanes;
}

// The sums of one task: a tile's columns over slice index of the rows. add(slice, sums) adds what the slice
// contributes to kCount packs of sums; finish(k, column, sum) receives each column's sums. All threads of the
// block call it; what they read before, others may overwrite after.
template <int kCount, class Call, class Add, class Finish>
NAMP_DEVICE void sum_tile(const ColumnSumArgs<Call>& args, int64_t tile, int64_t index, Add&& add,
                          Finish&& finish) {
  constexpr int kSums = kCount * kColumnsPerBlock;
  constexpr int kParts = kColumnThreads / kSums;
  __shared__ float of_groups[kColumnGroups][kSums];
  __shared__ double of_parts[kParts][kSums];
  const ColumnSplit& split = args.split;
  const int lane = thread_index() % kColumnLanes;
  const int group = thread_index() / kColumnLanes;
  const int part = thread_index() / kSums;
  const int own = thread_index() % kSums;  // sum of a tile: of which kind, and slot of its column
  const auto finish_own = [&](int64_t of_tile, double sum) {
    const int64_t column = of_tile * kColumnsPerBlock + column_of_slot(own % kColumnsPerBlock);
    if (column < split.columns) finish(own / kColumnsPerBlock, column, sum);
  };
  const int64_t column = tile * kColumnsPerBlock + lane * kPack;
  const RowRange rows = split.rows_of(index);
  const ColumnSlice slice{rows.begin + group, rows.end, column, Prefix{split.columns - column}};
  Pack<kPack> sums[kCount] = {};
  if (column < split.columns) add(slice, sums);
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      of_groups[group][k * kColumnsPerBlock + column_slot(lane, j)] = sums[k].at[j];
  }
  barrier();
  double sum = 0.0;
  if (part == 0) {
    for (int i = 0; i < kColumnGroups; ++i)
      sum += static_cast<double>(of_groups[i][own]);
    if (split.slices == 1) {
      finish_own(tile, sum);
    } else {
      store_global(args.partial + (index * split.tiles + tile) * kSums + own, sum);
    }
  }
  if (split.slices == 1) {
    barrier();
    return;
  }
  // More tiles than tickets share them: the last block of a ticket finishes all of its tiles.
  const int64_t ticket = tile % kTickets;
  const int64_t sharing = (split.tiles - ticket + kTickets - 1) / kTickets;
  if (!is_last(args.tickets + ticket, static_cast<uint32_t>(sharing * split.slices))) return;
  for (int64_t last = ticket; last < split.tiles; last += kTickets) {
    sum = 0.0;
#pragma unroll 16
    for (int64_t i = part; i < split.slices; i += kParts)
      sum += load_global(args.partial + (i * split.tiles + last) * kSums + own);
    of_parts[part][own] = sum;
    barrier();
    if (part == 0) {
      for (int i = 1; i < kParts; ++i)
        sum += of_parts[i][own];
      finish_own(last, sum);
    }
    barrier();
  }
}

// The sums of all tasks.
template <int kCount, class Call, class Add, class Finish>
NAMP_DEVICE void sum_columns(const ColumnSumArgs<Call>& args, Add&& add, Finish&& finish) {
  const ColumnSplit& split = args.split;
  for (int64_t task = block_index(); task < split.tiles * split.slices; task += block_count())
    sum_tile<kCount>(args, task % split.tiles, task / split.tiles, add, finish);
}

}  // namespace namp::cuda
