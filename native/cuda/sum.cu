// Sums over all dimensions but the channels.
#include "cuda/platform.cuh"

#include "cuda/channels.cuh"
#include "cuda/column_sums.cuh"
#include "cuda/kernels.h"
#include "cuda/view.cuh"

namespace namp::cuda {
namespace {

NAMP_DEVICE void store_sum(const namp_sum_args& args, int64_t channel, double sum) {
  float x = args.alpha * static_cast<float>(sum);
  if (args.accumulate != 0) x = x + load_as(args.out, args.out_dtype, channel);
  store_as(x, args.out, args.out_dtype, channel);
}

}  // namespace

// inner is 1: channels are columns.
NAMP_KERNEL(kColumnThreads) sum_columns_kernel(const namp_sum_args args) {
  sum_columns<1>(
      args.outer, args.channels,
      [&](int64_t row, int64_t column, LongSum* sums) {
        sums[0].add(load_as(args.in, args.in_dtype, row * args.channels + column));
      },
      [&](int64_t column, const double* sums) { store_sum(args, column, sums[0]); });
}

NAMP_KERNEL(kChannelThreads) sum_channels_kernel(const namp_sum_args args) {
  for (int64_t channel = block_index(); channel < args.channels; channel += block_count()) {
    const double sum = channel_sum(args.outer, args.channels, args.inner, channel,
                                   [&](int64_t i) { return load_as(args.in, args.in_dtype, i); });
    if (thread_index() == 0) store_sum(args, channel, sum);
  }
}

}  // namespace namp::cuda
