// A full vector of half-precision elements, for operations that cost half as much before widening,
// and the two lanes that they widen to.
#if defined(NAMP_CPU_HALVES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_HALVES_INL_H
#undef NAMP_CPU_HALVES_INL_H
#else
#define NAMP_CPU_HALVES_INL_H
#endif

#include <algorithm>

#include "cpu/simd_lane-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Scalar vectors have one element of any size: two half-precision elements do not fit, and the
// following is only declared.
inline constexpr bool kHasHalves = HWY_TARGET != HWY_SCALAR;

// 2 * kLanes elements, in the order of the Halves that they come from.
struct LanePair {
  Lane first;
  Lane second;
};

HWY_INLINE LanePair operator*(LanePair a, Lane factor) {
  return {a.first * factor, a.second * factor};
}

// 2 * kLanes elements at p. A pair has the order that costs least: that of memory, or first the
// even and then the odd elements (kEvenThenOdd).
template <class T>
class Halves;

// The largest magnitude of halves: their bits order as the values do, infinity and NaN last.
template <class T>
class LargestHalf;

// Reorders pairs of lanes of even and of odd elements to the order of the elements.
inline void interleave_pairs(float* x, int64_t count) {
  float pair[2 * kLanes];
  for (; count > 0; count -= 2 * kLanes, x += 2 * kLanes) {
    std::copy(x, x + 2 * kLanes, pair);
    for (int64_t i = 0; i < kLanes; ++i) {
      x[2 * i] = pair[i];
      x[2 * i + 1] = pair[kLanes + i];
    }
  }
}

#if HWY_TARGET != HWY_SCALAR

using HalvesTag = hn::Repartition<uint16_t, LaneTag>;

template <>
class Halves<Float16> {
 public:
  static constexpr bool kEvenThenOdd = false;

  HWY_INLINE explicit Halves(const Float16* p) : p_(p) {}

  HWY_INLINE hn::Vec<HalvesTag> raw() const { return hn::LoadU(HalvesTag(), &p_->bits); }
  // The conversion reads memory, which is cheaper than splitting a vector.
  HWY_INLINE LanePair widen() const { return {load(p_), load(p_ + kLanes)}; }

 private:
  const Float16* p_;
};

template <>
class Halves<BFloat16> {
 public:
  static constexpr bool kEvenThenOdd = true;

  HWY_INLINE explicit Halves(const BFloat16* p) : raw_(hn::LoadU(HalvesTag(), &p->bits)) {}

  HWY_INLINE hn::Vec<HalvesTag> raw() const { return raw_; }

  HWY_INLINE LanePair widen() const {
    const LaneBits both(hn::BitCast(BitsTag(), raw_));
    return {decode<BFloat16, Lane>(both), from_bits(both & 0xffff0000u)};
  }

 private:
  hn::Vec<HalvesTag> raw_;
};

template <class T>
class LargestHalf {
 public:
  HWY_INLINE LargestHalf() : largest_(hn::Zero(SignedHalvesTag())) {}

  HWY_INLINE void see(const Halves<T>& halves) {
    const auto magnitude = hn::And(halves.raw(), hn::Set(HalvesTag(), 0x7fff));
    largest_ = hn::Max(largest_, hn::BitCast(SignedHalvesTag(), magnitude));
  }

  // The bits as float32 lanes, of some elements each.
  HWY_INLINE LaneBits widen() const {
    const LaneBits both(hn::BitCast(BitsTag(), largest_));
    return bits(decode<T, Lane>(larger(both & 0xffffu, shift_right<16>(both))));
  }

 private:
  using SignedHalvesTag = hn::RebindToSigned<HalvesTag>;
  hn::Vec<SignedHalvesTag> largest_;
};

#endif

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
