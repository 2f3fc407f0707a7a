// A chunk's sum whose bits depend neither on the SIMD target nor on threads: element i is added, in
// float32, to accumulator i % kSumLanes; those are then combined in float64, the upper half onto
// the lower until one is left.
#if defined(NAMP_CPU_SUM_LANES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_SUM_LANES_INL_H
#undef NAMP_CPU_SUM_LANES_INL_H
#else
#define NAMP_CPU_SUM_LANES_INL_H
#endif

#include "cpu/loop-inl.h"
#include "table_view.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

class SumLanes {
 public:
  // Adds value(i, part) of all elements; value gives 0 for what a part does not have. In the order
  // of memory: to read several rows side by side costs more than accumulators in registers save
  // (float32 on a Zen 4: 22 GB/s a thread instead of 28).
  template <class Value>
  HWY_INLINE void add_all(int64_t count, Value&& value) {
    add_in_order(0, count, value);
  }

  // The same for half precision, of which value reads in[i]: there a fetch and a store of a float32
  // accumulator for every element weigh more than the reads (on a Zen 4, 17 GB/s a thread instead
  // of 24). Registers hold accumulators over some rows of kSumLanes, which are asked for before.
  template <class Value, class In>
  HWY_INLINE void add_by_rows(int64_t count, Value&& value, const In* in) {
    constexpr int64_t kVectors = 8;
    int64_t begin = 0;
    for (; begin + kRows * kSumLanes <= count; begin += kRows * kSumLanes) {
      for (int64_t lane = 0; lane < kSumLanes; lane += kVectors * kLanes) {
        Lane sums[kVectors];
        for (int64_t v = 0; v < kVectors; ++v)
          sums[v] = load(lanes_ + lane + v * kLanes);
        for (int64_t row = 0; row < kRows; ++row) {
          const int64_t first = begin + row * kSumLanes + lane;
          prefetch<kVectors * kLanes>(in + first);
          for (int64_t v = 0; v < kVectors; ++v)
            sums[v] = sums[v] + value(first + v * kLanes, Whole{});
        }
        for (int64_t v = 0; v < kVectors; ++v)
          store(sums[v], lanes_ + lane + v * kLanes);
      }
    }
    add_in_order(begin, count, value);
  }

  HWY_INLINE double total() const {
    double sums[kSumLanes / 2];
    for (int64_t j = 0; j < kSumLanes / 2; ++j) {
      sums[j] = static_cast<double>(lanes_[j]) + static_cast<double>(lanes_[j + kSumLanes / 2]);
    }
    for (int64_t width = kSumLanes / 4; width > 0; width /= 2) {
      for (int64_t j = 0; j < width; ++j)
        sums[j] += sums[j + width];
    }
    return sums[0];
  }

 private:
  // Elements begin to count; begin is a multiple of kLanes.
  template <class Value>
  HWY_INLINE void add_in_order(int64_t begin, int64_t count, Value&& value) {
    constexpr int64_t kVectors = 4;
    static_assert(kSumLanes % (kVectors * kLanes) == 0);
    for (; begin + kVectors * kLanes <= count; begin += kVectors * kLanes) {
      float* const lanes = lanes_ + begin % kSumLanes;
      Lane sums[kVectors];
      for (int64_t v = 0; v < kVectors; ++v)
        sums[v] = load(lanes + v * kLanes) + value(begin + v * kLanes, Whole{});
      for (int64_t v = 0; v < kVectors; ++v)
        store(sums[v], lanes + v * kLanes);
    }
    for_lanes(count - begin, [&](int64_t i, auto part) NAMP_LANES {
      float* lane = lanes_ + (begin + i) % kSumLanes;
      store(load(lane) + value(begin + i, part), lane);
    });
  }

  static constexpr int64_t kRows = 8;

  // Asks for the elements some rows later, which may be past the end, since the hardware follows no
  // row. Into the second cache: the first is not large enough to hold them until then.
  template <int64_t kElements, class T>
  static HWY_INLINE void prefetch(const T* p) {
    constexpr size_t kLine = 64;
    constexpr size_t kBytes = static_cast<size_t>(kElements) * sizeof(T);
    const auto later =
        reinterpret_cast<uintptr_t>(p) + static_cast<size_t>(kRows * kSumLanes) * sizeof(T);
    for (size_t byte = 0; byte < kBytes; byte += kLine) {
#if defined(__GNUC__)
      __builtin_prefetch(reinterpret_cast<const void*>(later + byte), 0, 2);
#else
      hwy::Prefetch(reinterpret_cast<const char*>(later + byte));
#endif
    }
  }

  alignas(64) float lanes_[kSumLanes] = {};
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
