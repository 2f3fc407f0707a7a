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
NAMP_KERNEL(kColumnThreads, 2) sum_columns_kernel(const ColumnSumArgs<namp_sum_args> args) {
  const namp_sum_args& call = args.call;
  sum_columns<1>(
      args,
      [&](const ColumnSlice& slice, Pack<kPack>* sums) {
        with_element(call.in_dtype, [&](auto element) {
          const auto* in =
              static_cast<const typename decltype(element)::Type*>(call.in) + slice.column;
          slice.for_rows<4>(
              [&](int64_t row) { return load_raw(in + row * call.channels, slice.part); },
              [&](const auto& raw) { sums[0] = map(Plus(), sums[0], widen(raw)); });
        });
      },
      [&](int, int64_t column, double sum) { store_sum(call, column, sum); });
}

NAMP_KERNEL(kChannelThreads) sum_channels_kernel(const namp_sum_args args) {
  for (int64_t channel = block_index(); channel < args.channels; channel += block_count()) {
    const double sum = channel_sum(args.outer, args.channels, args.inner, channel,
                                   [&](int64_t i) { return load_as(args.in, args.in_dtype, i); });
    if (thread_index() == 0) store_sum(args, channel, sum);
  }
}

}  // namespace namp::cuda
