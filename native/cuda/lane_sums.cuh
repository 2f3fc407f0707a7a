// Sums down the columns of rows that warps work on: each lane adds its columns of its warp's rows, over a
// slice of the rows. Then a block adds its warps, and slices are added in groups, and the groups, by the last
// block of each. The order depends on the shape alone.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/warp_row.cuh"

namespace namp::cuda {

inline constexpr int kSliceWarps = kColumnThreads / kWarp;
inline constexpr int kSlotColumns = kWarp * kPack;

// Adds a slot, the 256 columns of which each lane has 8, over a slice's block: sums[k] are a lane's.
// finish(k, column, sum) receives each column's where there is one slice; otherwise they go to the workspace,
// for add_slices. All threads of the block.
template <int kCount, class Call, class Finish>
NAMP_DEVICE void add_warps(const ColumnSumArgs<Call>& args, int64_t slice, int64_t slot,
                           const Pack<kPack>* sums, Finish&& finish) {
  static_assert(kColumnThreads == kSlotColumns, "a thread has a column of a slot");
  constexpr int kStride = kWarp + 4;  // neither writing nor reading meets a bank twice
  __shared__ float of_warps[kSliceWarps][kPack * kStride];
  const int64_t width = args.split.columns;
  // Unknown to the compiler: else it computes addresses before the rows, and keeps them beside the sums.
  const int thread = opaque(thread_index());
  const int64_t column = slot * kSlotColumns + static_cast<uint32_t>(thread);
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      of_warps[thread / kWarp][j * kStride + thread % kWarp] = sums[k].at[j];
    barrier();
    double sum = 0.0;
#pragma unroll
    for (int warp = 0; warp < kSliceWarps; ++warp)
      sum += static_cast<double>(of_warps[warp][thread % kPack * kStride + thread / kPack]);
    if (column < width) {
      if (args.split.slices == 1) {
        finish(k, column, sum);
      } else {
        store_global(args.partial + (slice * kCount + k) * width + column, sum);
      }
    }
    barrier();
  }
}

// Calls use(i, sum) for this thread's of count sums, each of terms that lie stride apart.
template <class Use>
NAMP_DEVICE void add_terms(const double* first, int64_t terms, int64_t stride, int64_t count,
                           Use&& use) {
  constexpr int kTogether = 16;  // loads under way
  for (int64_t i = opaque(thread_index()); i < count; i += kColumnThreads) {
    double sum = 0.0;
    for (int64_t begin = 0; begin < terms; begin += kTogether) {
      double loaded[kTogether];
#pragma unroll
      for (int j = 0; j < kTogether; ++j)
        loaded[j] = begin + j < terms ? load_global(first + (begin + j) * stride + i) : 0.0;
#pragma unroll
      for (int j = 0; j < kTogether; ++j)
        sum += loaded[j];
    }
    use(i, sum);
  }
}

// Adds the slices, if this one is the last. All threads of the block, once for each of its slices, after
// add_warps.
template <int kCount, class Call, class Finish>
NAMP_DEVICE void add_slices(const ColumnSumArgs<Call>& args, int64_t slice, Finish&& finish) {
  constexpr int64_t kLeast = 16;  // slices of a group
  const int64_t slices = args.split.slices;
  const int64_t width = args.split.columns;
  if (slices == 1) return;
  const int64_t even = blocks(slices, kTickets - 1);
  const int64_t of_group = even < kLeast ? kLeast : even;
  const int64_t groups = blocks(slices, of_group);
  const int64_t begin = slice / of_group * of_group;
  const int64_t members = slices - begin < of_group ? slices - begin : of_group;
  const int64_t count = kCount * width;
  const auto finish_column = [&](int64_t i, double sum) {
    const int k = kCount > 1 && i >= width ? 1 : 0;
    finish(k, i - k * width, sum);
  };
  if (!is_last(args.tickets + begin / of_group, static_cast<uint32_t>(members))) return;
  double* group = args.partial + begin * count;
  if (groups == 1) return add_terms(group, members, count, count, finish_column);
  // Where its first slice's were.
  add_terms(group, members, count, count,
            [&](int64_t i, double sum) { store_global(group + i, sum); });
  if (is_last(args.tickets + kTickets - 1, static_cast<uint32_t>(groups)))
    add_terms(args.partial, groups, of_group * count, count, finish_column);
}

}  // namespace namp::cuda
