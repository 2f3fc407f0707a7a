// Reductions over contiguous elements, beside the loop of loop-inl.h. The order of operations
// depends only on the number of elements: every SIMD target gives the same bits.
#if defined(NAMP_CPU_REDUCE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_REDUCE_INL_H
#undef NAMP_CPU_REDUCE_INL_H
#else
#define NAMP_CPU_REDUCE_INL_H
#endif

#include <algorithm>
#include <cstdint>

#include "cpu/loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Accumulators of a reduction: element i goes to accumulator i % kAccumulators. Twice the widest
// lane, so that an addition need not wait for the one before.
inline constexpr int64_t kAccumulators = 32;
inline constexpr int64_t kAccumulatorLanes = kAccumulators / kLanes;

// Values of several reductions that share one pass.
template <int kCount>
struct Several {
  Lane at[kCount];
};

struct Plus {
  static constexpr float kNeutral = 0.0f;
  HWY_INLINE Lane operator()(Lane a, Lane b) const { return a + b; }
};

// Ignores NaN.
struct Maximum {
  static constexpr float kNeutral = -__builtin_inff();
  HWY_INLINE Lane operator()(Lane a, Lane b) const { return select(a < b, b, a); }
};

// The elements of a lane, in halves: i with i + 8, then with i + 4, i + 2 and i + 1.
template <class Op>
HWY_INLINE float reduce_lane(Lane x, [[maybe_unused]] Op op) {
#if HWY_TARGET == HWY_AVX3
  x = op(x, Lane(hn::ConcatLowerUpper(LaneTag(), x.raw, x.raw)));
#endif
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  x = op(x, Lane(hn::SwapAdjacentBlocks(x.raw)));
#endif
#if HWY_TARGET != HWY_SCALAR
  x = op(x, Lane(hn::Shuffle1032(x.raw)));
  x = op(x, Lane(hn::Shuffle2301(x.raw)));
#endif
  return hn::GetLane(x.raw);
}

// Reduces body(i, part), a Several<kCount> for the elements from i on, over i < count. Results are
// written to result[kCount].
template <int kCount, class Op, class Body>
HWY_INLINE void reduce(int64_t count, float* HWY_RESTRICT result, Op op, Body&& body) {
  const Lane neutral(Op::kNeutral);
  Lane sums[kAccumulatorLanes][kCount];
  for (auto& sum : sums) {
    for (Lane& lane : sum)
      lane = neutral;
  }
  int64_t i = 0;
  for (; i + kAccumulators <= count; i += kAccumulators) {
    for (int64_t u = 0; u < kAccumulatorLanes; ++u) {
      const Several<kCount> values = body(i + u * kLanes, Whole{});
      for (int k = 0; k < kCount; ++k)
        sums[u][k] = op(sums[u][k], values.at[k]);
    }
  }
  for (int64_t u = 0; u < kAccumulatorLanes; ++u, i += kLanes) {
    if (i + kLanes <= count) {
      const Several<kCount> values = body(i, Whole{});
      for (int k = 0; k < kCount; ++k)
        sums[u][k] = op(sums[u][k], values.at[k]);
    } else if (kLanes > 1 && i < count) {
      const Part part{count - i};
      const Several<kCount> values = body(i, part);
      for (int k = 0; k < kCount; ++k)
        sums[u][k] = op(sums[u][k], keep(values.at[k], neutral, part));
    }
  }
  for (int64_t width = kAccumulatorLanes / 2; width > 0; width /= 2) {
    for (int64_t u = 0; u < width; ++u) {
      for (int k = 0; k < kCount; ++k)
        sums[u][k] = op(sums[u][k], sums[u + width][k]);
    }
  }
  for (int k = 0; k < kCount; ++k)
    result[k] = reduce_lane(sums[0][k], op);
}

// One sum or maximum.
template <class Op, class Body>
HWY_INLINE float reduce_one(int64_t count, Op op, Body&& body) {
  float result;
  reduce<1>(count, &result, op,
            [&](int64_t i, auto part) NAMP_LANES { return Several<1>{{body(i, part)}}; });
  return result;
}

// Adds in[i] of each row to sums[i]. Rows are stride elements apart; four are added at a time, so
// that the sums are read less often.
template <class T>
HWY_INLINE void add_rows(float* sums, const T* in, int64_t rows, int64_t stride, int64_t count) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const T* row = in + r * stride;
    map(
        sums, count,
        [](Lane sum, Lane a, Lane b, Lane c, Lane d)
            NAMP_LANES { return sum + ((a + b) + (c + d)); },
        sums, row, row + stride, row + 2 * stride, row + 3 * stride);
  }
  for (; r < rows; ++r) {
    map(
        sums, count, [](Lane sum, Lane a) NAMP_LANES { return sum + a; }, sums, in + r * stride);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
