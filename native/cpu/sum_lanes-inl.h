// A chunk's sum of squares whose bits depend neither on the SIMD target nor on threads: the square
// of element i is added, by a fused multiply-add in float32, to accumulator i % kSumLanes; those
// are then combined in float64, the upper half onto the lower until one is left.
#if defined(NAMP_CPU_SUM_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_SUM_LANES_INL_H
#undef NAMP_CPU_SUM_LANES_INL_H
#else
#define NAMP_CPU_SUM_LANES_INL_H
#endif

#include "cpu/halves-inl.h"
#include "cpu/loop-inl.h"
#include "table_view.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Elements are read in the order of memory, and the accumulators are loaded and stored for each.
// Reading several rows of kSumLanes side by side, with accumulators in registers, costs more than
// it saves, with and without prefetches (half precision on a Zen 4: 0.70 of a plain read's
// bandwidth instead of 0.97).
class SumLanes {
 public:
  HWY_INLINE SumLanes() {
    for (int64_t lane = 0; lane < kSumLanes; lane += kLanes)
      store(Lane(0.0f), lanes_ + lane);
  }

  // Adds the squares of value(i, part) for elements begin to count. begin is 0 or the result of
  // add_squares_of_halves. value returns 0 outside of a part.
  template <class Value>
  HWY_INLINE void add_squares(int64_t begin, int64_t count, Value&& value) {
    if (begin < count) put_in_order();
    begin = add_blocks(begin, count, [&](int64_t i) NAMP_LANES {
      return LanePair{value(i, Whole{}), value(i + kLanes, Whole{})};
    });
    for_lanes(count - begin, [&](int64_t i, auto part) NAMP_LANES {
      float* lane = lanes_ + (begin + i) % kSumLanes;
      store(add_square(value(begin + i, part), load(lane)), lane);
    });
  }

  // Replaces each accumulator by add(it, i, part) for elements begin to count, in order; begin is a
  // multiple of kSumLanes. What add returns outside of a part does not count.
  template <class Add>
  HWY_INLINE void add_terms(int64_t begin, int64_t count, Add&& add) {
    for_lanes(count - begin, [&](int64_t i, auto part) NAMP_LANES {
      float* lane = lanes_ + (begin + i) % kSumLanes;
      const Lane sum = load(lane);
      store(keep(add(sum, begin + i, part), sum, part), lane);
    });
  }

  // add_squares for whole blocks of half-precision elements, before anything else is added.
  // value(halves) returns the pair to square, from Halves<T> at some place of in. Returns the
  // number of elements that it took.
  template <class T, class Value>
  HWY_INLINE int64_t add_squares_of_halves(const T* in, int64_t count, Value&& value) {
    const int64_t end =
        add_blocks(0, count, [&](int64_t i) NAMP_LANES { return value(Halves<T>(in + i)); });
    in_pairs_ = Halves<T>::kEvenThenOdd && end > 0;
    return end;
  }

  HWY_INLINE double total() const {
    // In registers as far as possible: going through memory between the halvings costs 7 % of a
    // chunk of half-precision elements.
    using Double = hn::ScalableTag<double>;
    const hn::Rebind<float, Double> single;
    const Double tag;
    const auto widen = [&](int64_t lane) NAMP_LANES {
      return hn::PromoteTo(tag, hn::LoadU(single, lanes_ + lane));
    };
    constexpr int64_t kRows = kSumLanes / kLast;
    double sums[kLast];
    for (int64_t j = 0; j < kLast; j += HWY_LANES(double)) {
      hn::Vec<Double> rows[kRows / 2];
      for (int64_t k = 0; k < kRows / 2; ++k)
        rows[k] = hn::Add(widen(j + k * kLast), widen(j + (k + kRows / 2) * kLast));
      for (int64_t width = kRows / 4; width > 0; width /= 2) {
        for (int64_t k = 0; k < width; ++k)
          rows[k] = hn::Add(rows[k], rows[k + width]);
      }
      hn::StoreU(rows[0], tag, sums + j);
    }
    int64_t width = kLast / 2;
    for (; width >= (in_pairs_ ? 2 * kLanes : 1); width /= 2)
      halve(sums, width);
    if (!in_pairs_) return sums[0];
    // The neighbors of an even element are even, until one of each is left.
    for (width = kLanes / 2; width > 0; width /= 2) {
      halve(sums, width);
      halve(sums + kLanes, width);
    }
    return sums[0] + sums[kLanes];
  }

 private:
  static HWY_INLINE Lane add_square(Lane x, Lane sum) { return multiply_add(x, x, sum); }

  // Vectors in one iteration of the loops.
  static constexpr int64_t kVectors = 8;
  static constexpr int64_t kBlock = kVectors * kLanes;
  static_assert(kSumLanes % kBlock == 0);

  // Adds whole blocks of elements begin to count, where pair(i) gives 2 * kLanes of them from i on.
  // Returns the index after the last one.
  template <class Pair>
  HWY_INLINE int64_t add_blocks(int64_t begin, int64_t count, Pair&& pair) {
    for (; begin + kBlock <= count; begin += kBlock) {
      float* const lanes = lanes_ + begin % kSumLanes;
      Lane sums[kVectors];
      for (int64_t v = 0; v < kVectors; v += 2) {
        const LanePair x = pair(begin + v * kLanes);
        sums[v] = add_square(x.first, load(lanes + v * kLanes));
        sums[v + 1] = add_square(x.second, load(lanes + (v + 1) * kLanes));
      }
      for (int64_t v = 0; v < kVectors; ++v)
        store(sums[v], lanes + v * kLanes);
    }
    return begin;
  }

  static HWY_INLINE void halve(double* sums, int64_t width) {
    for (int64_t j = 0; j < width; ++j)
      sums[j] += sums[j + width];
  }

  // Sums that are left for memory.
  static constexpr int64_t kLast = 32;
  static_assert(kLast % (2 * kLanes) == 0 || !kHasHalves);

  void put_in_order() {
    if (in_pairs_) interleave_pairs(lanes_, kSumLanes);
    in_pairs_ = false;
  }

  // Unused space: accumulators in the same page as the top of the stack, which is in use too, cost
  // a fifth of the bandwidth (Zen 4, half precision: 0.78 of a plain read's, and 0.97 with a page
  // in between).
  [[maybe_unused]] unsigned char apart_[4096];
  alignas(64) float lanes_[kSumLanes];
  // Whether accumulators are in the order of pairs of even and odd elements, not of elements.
  bool in_pairs_ = false;
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
