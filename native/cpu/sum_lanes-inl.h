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
  // Adds x of element i, a multiple of kLanes. What a part does not have has to be 0.
  HWY_INLINE void add(int64_t i, Lane x) {
    float* lane = lanes_ + i % kSumLanes;
    store(load(lane) + x, lane);
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
  alignas(64) float lanes_[kSumLanes] = {};
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
