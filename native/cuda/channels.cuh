// Sums over all dimensions but the channels, one block for each channel.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/reduce.cuh"

namespace namp::cuda {

// Calls body(i) for this thread's elements of a channel of [outer, channels, inner].
template <class Body>
NAMP_DEVICE void for_channel(int64_t outer, int64_t channels, int64_t inner, int64_t channel,
                             Body&& body) {
  const int64_t count = outer * inner;
  for (int64_t e = thread_index(); e < count; e += block_threads())
    body((e / inner * channels + channel) * inner + e % inner);
}

// The sum of body(i) over a channel, in every thread.
template <class Body>
NAMP_DEVICE double channel_sum(int64_t outer, int64_t channels, int64_t inner, int64_t channel,
                               Body&& body) {
  LongSum sum;
  for_channel(outer, channels, inner, channel, [&](int64_t i) { sum.add(body(i)); });
  return block_reduce(sum.get(), Plus());
}

}  // namespace namp::cuda
