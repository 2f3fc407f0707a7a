// A chunk's sum of squares whose bits are the CPU's (cpu/sum_lanes-inl.h): the square of element i
// is added, by a fused multiply-add in float32, to accumulator i % kSumLanes; those are then
// combined in float64, the upper half onto the lower until one is left. And sums of such parts,
// whose bits are the CPU's as well (cpu/part_sum.h).
#pragma once

#include "cuda/loop.cuh"
#include "table_view.h"

namespace namp::cuda {

inline constexpr int kSumThreads = static_cast<int>(kSumLanes) / kPack;
static_assert(kSumThreads == kPartLanes, "a block's threads are the lanes of a sum of parts");

// Shared by the threads of a block; one for all dtypes of a kernel, of which a chunk has one.
struct SumLanes {
  float lanes[kSumLanes];
  double sums[kSumLanes / 2];
};
NAMP_DEVICE SumLanes& shared_sum_lanes() {
  __shared__ SumLanes shared;
  return shared;
}

// Calls visit(fetch(i, part), i, part, add) for every element of a chunk, where add(j, x...) replaces the
// accumulator of element i + j by op(it, x...), and gives the sum to all threads of a block of
// kSumThreads. The packs stay in their thread's registers: a row of packs is one of all
// accumulators. A thread fetches its packs of kRows rows before it visits the first of them: the
// more bytes are on their way, the nearer a read comes to the memory's bandwidth. Elements before
// and behind the packs go to the accumulators in between, in the order of i whatever the alignment.
template <int kRows, class Op, class Fetch, class Visit>
NAMP_DEVICE double sum_in_lanes(int count, int peel, Op op, Fetch&& fetch, Visit&& visit) {
  SumLanes& shared = shared_sum_lanes();
  auto& lanes = shared.lanes;  // no structured binding: a lambda of clang before 16 captures none
  auto& sums = shared.sums;
  const int head = peel < count ? peel : count;
  const int packs = (count - head) / kPack;
  const int thread = thread_index();

  for (int j = thread; j < kSumLanes; j += kSumThreads)
    lanes[j] = 0.0f;
  barrier();
  if (thread < head) {
    visit(fetch(thread, Single{}), thread, Single{},
          [&](int, auto... x) { lanes[thread] = op(lanes[thread], x...); });
  }
  barrier();
  float mine[kPack];
  const int first_lane = peel + thread * kPack;
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    mine[j] = lanes[(first_lane + j) % kSumLanes];
  const auto add = [&](int j, auto... x) { mine[j] = op(mine[j], x...); };
  const auto first_of = [&](int pack) { return head + pack * kPack; };
  int pack = thread;
  if constexpr (kRows > 1) {
    for (; pack + (kRows - 1) * kSumThreads < packs; pack += kRows * kSumThreads) {
      decltype(fetch(head, Whole{})) rows[kRows];
#pragma unroll
      for (int row = 0; row < kRows; ++row)
        rows[row] = fetch(first_of(pack + row * kSumThreads), Whole{});
#pragma unroll
      for (int row = 0; row < kRows; ++row)
        visit(rows[row], first_of(pack + row * kSumThreads), Whole{}, add);
    }
  }
#pragma unroll 1
  for (; pack < packs; pack += kSumThreads)
    visit(fetch(first_of(pack), Whole{}), first_of(pack), Whole{}, add);
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    lanes[(first_lane + j) % kSumLanes] = mine[j];
  barrier();
  const int rest = head + packs * kPack + thread;
  if (rest < count) {
    visit(fetch(rest, Single{}), rest, Single{}, [&](int, auto... x) {
      float& lane = lanes[rest % kSumLanes];
      lane = op(lane, x...);
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

// The same for sums of squares: add(j, x) adds the square of x.
template <int kRows, class Fetch, class Visit>
NAMP_DEVICE double sum_squares_in_lanes(int count, int peel, Fetch&& fetch, Visit&& visit) {
  const auto square = [](float sum, float x) { return multiply_add(x, x, sum); };
  return sum_in_lanes<kRows>(count, peel, square, fetch, visit);
}

// start + the sum of part(fetch(i), i) for i up to count, in lanes (kPartLanes), in all threads of a
// block of kSumThreads. A thread fetches a few before it adds the first of them.
template <class Fetch, class Part>
NAMP_DEVICE double sum_parts(double start, int64_t count, Fetch&& fetch, Part&& part) {
  constexpr int kAhead = 4;
  __shared__ double lanes[kPartLanes];
  const int thread = thread_index();
  double sum = 0.0;
  for (int64_t first = thread; first < count; first += kAhead * kPartLanes) {
    decltype(fetch(first)) ahead[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const int64_t i = first + k * kPartLanes;
      ahead[k] = fetch(i < count ? i : first);
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k)
      if (first + k * kPartLanes < count) sum += part(ahead[k], first + k * kPartLanes);
  }
  lanes[thread] = sum;
  for (int width = kPartLanes / 2; width > 0; width /= 2) {
    barrier();
    if (thread < width) lanes[thread] += lanes[thread + width];
  }
  barrier();
  return start + lanes[0];
}

}  // namespace namp::cuda
