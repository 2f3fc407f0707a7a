// A chunk's sum of squares whose bits are the CPU's (cpu/sum_lanes-inl.h): the square of element i
// is added, by a fused multiply-add in float32, to accumulator i % kSumLanes; those are then
// combined in float64, the upper half onto the lower until one is left. And sums of parts in their
// order.
#pragma once

#include "cuda/loop.cuh"
#include "table_view.h"

namespace namp::cuda {

inline constexpr int kSumThreads = static_cast<int>(kSumLanes) / kPack;

// What the threads of a block share; one for all dtypes of a kernel, of which a chunk has one.
struct SumLanes {
  float lanes[kSumLanes];
  double sums[kSumLanes / 2];
};
NAMP_DEVICE SumLanes& shared_sum_lanes() {
  __shared__ SumLanes shared;
  return shared;
}

// Calls visit(i, part, add) for every element of a chunk, where add(j, x) adds the square of x,
// which is element i + j's, and gives the sum to all threads of a block of kSumThreads. The packs
// stay in their thread's registers: a turn of the loop is one of all accumulators. Elements before
// and behind the packs go to the accumulators in between, in the order of i whatever the alignment.
template <class Visit>
NAMP_DEVICE double sum_squares_in_lanes(int64_t count, int peel, Visit&& visit) {
  auto& [lanes, sums] = shared_sum_lanes();
  const int64_t head = peel < count ? peel : count;
  const int64_t packs = (count - head) / kPack;
  const int thread = thread_index();

  for (int j = thread; j < kSumLanes; j += kSumThreads)
    lanes[j] = 0.0f;
  barrier();
  if (thread < head) {
    visit(int64_t{thread}, Single{},
          [&](int, float x) { lanes[thread] = multiply_add(x, x, lanes[thread]); });
  }
  barrier();
  float mine[kPack];
  const int first_lane = peel + thread * kPack;
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    mine[j] = lanes[(first_lane + j) % kSumLanes];
  for (int64_t pack = thread; pack < packs; pack += kSumThreads) {
    visit(head + pack * kPack, Whole{},
          [&](int j, float x) { mine[j] = multiply_add(x, x, mine[j]); });
  }
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    lanes[(first_lane + j) % kSumLanes] = mine[j];
  barrier();
  const int64_t rest = head + packs * kPack + thread;
  if (rest < count) {
    visit(rest, Single{}, [&](int, float x) {
      float& lane = lanes[rest % kSumLanes];
      lane = multiply_add(x, x, lane);
    });
  }
  barrier();
  for (int j = thread; j < kSumLanes / 2; j += kSumThreads) {
    sums[j] = static_cast<double>(lanes[j]) + static_cast<double>(lanes[j + kSumLanes / 2]);
  }
  for (int width = kSumLanes / 4; width > 0; width /= 2) {
    barrier();
    for (int j = thread; j < width; j += kSumThreads)
      sums[j] += sums[j + width];
  }
  barrier();
  const double sum = sums[0];
  barrier();  // read by all before the next chunk writes
  return sum;
}

// start + part(0) + part(1) + … in this order, in thread 0 of a block of kThreads; every thread
// fetches parts.
template <int kThreads, class Part>
NAMP_DEVICE double sum_in_order(double start, int64_t count, Part&& part) {
  __shared__ double parts[kThreads];
  const int thread = thread_index();
  double sum = start;
  for (int64_t tile = 0; tile < count; tile += kThreads) {
    parts[thread] = tile + thread < count ? part(tile + thread) : 0.0;
    barrier();
    if (thread == 0) {
      const int64_t rest = count - tile;
      const int filled = rest < kThreads ? static_cast<int>(rest) : kThreads;
      for (int j = 0; j < filled; ++j)
        sum += parts[j];
    }
    barrier();
  }
  return sum;
}

}  // namespace namp::cuda
