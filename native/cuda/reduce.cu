// Sums and maxima over a tensor's middle dimension.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "formulas/functions.h"

namespace namp::cuda {
namespace {

NAMP_DEVICE float lowest() { return from_bits(0xff800000u); }

}  // namespace

// A thread has a pack of columns of an outer index.
NAMP_KERNEL(kElementThreads) reduce_sum_kernel(const namp_reduce_args args) {
  constexpr int64_t kRun = 64;  // rows that are added in float32
  for_matrix_packs(args.outer, args.inner, [&](int64_t outer, int64_t column, Prefix part) {
    const int64_t begin = outer * args.count * args.inner + column;
    double total[kPack] = {};
    for (int64_t row = 0; row < args.count;) {
      Pack<kPack> sum{};
      const int64_t end = args.count - row < kRun ? args.count : row + kRun;
      for (; row < end; ++row)
        sum = map(Plus(), sum, load_as(args.in, args.in_dtype, begin + row * args.inner, part));
#pragma unroll
      for (int j = 0; j < kPack; ++j)
        total[j] += static_cast<double>(sum.at[j]);
    }
    const int64_t to = outer * args.inner + column;
    Pack<kPack> x;
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      x.at[j] = args.alpha * static_cast<float>(total[j]);
    if (args.accumulate != 0) x = map(Plus(), x, load_as(args.out, args.out_dtype, to, part));
    store_as(x, args.out, args.out_dtype, to, part);
  });
}

NAMP_KERNEL(kElementThreads) reduce_max_kernel(const namp_reduce_args args) {
  const auto largest = [](float a, float b) { return maximum(a, b); };
  for_matrix_packs(args.outer, args.inner, [&](int64_t outer, int64_t column, Prefix part) {
    const int64_t begin = outer * args.count * args.inner + column;
    Pack<kPack> x;
#pragma unroll
    for (float& y : x.at)
      y = lowest();
    for (int64_t row = 0; row < args.count; ++row)
      x = map(largest, x, load_as(args.in, args.in_dtype, begin + row * args.inner, part));
    store_as(x, args.out, args.out_dtype, outer * args.inner + column, part);
  });
}

// inner is 1: a warp has a row.
NAMP_KERNEL(kRowThreads) reduce_max_rows_kernel(const namp_reduce_args args) {
  for_warp_rows(args.outer, [&](int64_t row, int lane) {
    const float x = over_row(
        args.count, lane, lowest(), [](float a, float b) { return maximum(a, b); },
        [&](int64_t i) { return load_as(args.in, args.in_dtype, row * args.count + i); });
    if (lane == 0) store_as(x, args.out, args.out_dtype, row);
  });
}

}  // namespace namp::cuda
