// Two lanes of consecutive elements at a time, 2 * kLanes elements at p: elements of 16 bits fill a
// vector then, and are spread to float32 and gathered again by one instruction for each.
#if defined(NAMP_CPU_LANE_PAIRS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_LANE_PAIRS_INL_H
#undef NAMP_CPU_LANE_PAIRS_INL_H
#else
#define NAMP_CPU_LANE_PAIRS_INL_H
#endif

#include "cpu/halves-inl.h"
#include "cpu/loop-inl.h"
#include "cpu/random_words-inl.h"
#include "formulas/remainder.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

inline constexpr int64_t kPair = 2 * kLanes;

template <class T>
HWY_INLINE LanePair load_pair(const T* p) {
  return {load(p), load(p + kLanes)};
}
template <class T>
HWY_INLINE void store_pair(LanePair x, T* p) {
  store(x.first, p);
  store(x.second, p + kLanes);
}
template <class T>
HWY_INLINE void stream_pair(LanePair x, T* p) {
  stream(x.first, p);
  stream(x.second, p + kLanes);
}
// By the halves of the elements from the i-th on.
template <class T>
HWY_INLINE void store_stochastic_pair(LanePair x, const RandomHalves& halves, int64_t i, T* p) {
  store_stochastic(x.first, halves.at(i), p);
  store_stochastic(x.second, halves.at(i + kLanes), p + kLanes);
}

// float32 as bfloat16 and remainders (formulas/remainder.h).
HWY_INLINE Lane load_split(const uint16_t* upper, const int16_t* remainder) {
  return with_remainder<Lane>(load_low_halves(upper), load_signed(remainder));
}
HWY_INLINE void store_split(Lane x, uint16_t* upper, uint16_t* remainder) {
  store_low_halves(without_remainder(x), upper);
  store_low_halves(remainder_of(x), remainder);
}

#if HWY_TARGET == HWY_AVX3

// The halves of lanes as a vector of 16-bit elements, and back.
HWY_INLINE LaneBits upper_halves(__m512i halves, __m512i order) {
  return LaneBits(LaneBits::Raw{_mm512_maskz_permutexvar_epi16(0xaaaaaaaau, order, halves)});
}
HWY_INLINE void load_upper_pair(const uint16_t* p, LaneBits& first, LaneBits& second) {
  alignas(64) static constexpr uint16_t kFirst[32] = {0, 0,  0, 1,  0, 2,  0, 3,  0, 4, 0,
                                                      5, 0,  6, 0,  7, 0,  8, 0,  9, 0, 10,
                                                      0, 11, 0, 12, 0, 13, 0, 14, 0, 15};
  const __m512i halves = _mm512_loadu_si512(p);
  const __m512i order = _mm512_load_si512(kFirst);
  first = upper_halves(halves, order);
  second = upper_halves(halves, _mm512_add_epi16(order, _mm512_set1_epi16(16)));
}
template <int kHalf>
HWY_INLINE __m512i half_pair(LaneBits first, LaneBits second) {
  alignas(64) static constexpr uint16_t kOrder[32] = {
      0 + kHalf,  2 + kHalf,  4 + kHalf,  6 + kHalf,  8 + kHalf,  10 + kHalf, 12 + kHalf,
      14 + kHalf, 16 + kHalf, 18 + kHalf, 20 + kHalf, 22 + kHalf, 24 + kHalf, 26 + kHalf,
      28 + kHalf, 30 + kHalf, 32 + kHalf, 34 + kHalf, 36 + kHalf, 38 + kHalf, 40 + kHalf,
      42 + kHalf, 44 + kHalf, 46 + kHalf, 48 + kHalf, 50 + kHalf, 52 + kHalf, 54 + kHalf,
      56 + kHalf, 58 + kHalf, 60 + kHalf, 62 + kHalf};
  return _mm512_permutex2var_epi16(first.raw.raw, _mm512_load_si512(kOrder), second.raw.raw);
}
template <int kHalf>
HWY_INLINE void store_half_pair(LaneBits first, LaneBits second, uint16_t* p) {
  _mm512_storeu_si512(p, half_pair<kHalf>(first, second));
}

HWY_INLINE bool has_nan(LanePair x) {
  return _mm512_cmp_ps_mask(x.first.raw.raw, x.second.raw.raw, _CMP_UNORD_Q) != 0;
}

HWY_INLINE LanePair load_pair(const BFloat16* p) {
  LaneBits first, second;
  load_upper_pair(&p->bits, first, second);
  return {from_bits(first), from_bits(second)};
}
HWY_INLINE void store_pair(LanePair x, BFloat16* p) {
  if (HWY_UNLIKELY(has_nan(x))) {
    store(x.first, p);
    store(x.second, p + kLanes);
    return;
  }
  // One more where the lower half is above 0x8000, or is that and the upper one odd: where 0x7fff and an odd
  // upper half's last bit make it 2^16. An average adds 1, and halves.
  const __m512i upper = half_pair<1>(bits(x.first), bits(x.second));
  const __m512i lower = half_pair<0>(bits(x.first), bits(x.second));
  const __m512i rest =
      _mm512_or_si512(_mm512_and_si512(upper, _mm512_set1_epi16(1)), _mm512_set1_epi16(0x7ffe));
  const __m512i carry = _mm512_srli_epi16(_mm512_avg_epu16(lower, rest), 15);
  _mm512_storeu_si512(&p->bits, _mm512_add_epi16(upper, carry));
}
HWY_INLINE void store_stochastic_pair(LanePair x, const RandomHalves& halves, int64_t i,
                                      BFloat16* p) {
  if (HWY_UNLIKELY(has_nan(x))) {
    store_stochastic(x.first, halves.at(i), p);
    store_stochastic(x.second, halves.at(i + kLanes), p + kLanes);
    return;
  }
  store_half_pair<1>(bits(x.first) + halves.low(i), bits(x.second) + halves.low(i + kLanes),
                     &p->bits);
}

HWY_INLINE LanePair load_split_pair(const uint16_t* upper, const int16_t* remainder) {
  LaneBits first, second;
  load_upper_pair(upper, first, second);
  return {from_bits(first + load_signed(remainder)),
          from_bits(second + load_signed(remainder + kLanes))};
}
HWY_INLINE void store_split_pair(LanePair x, uint16_t* upper, uint16_t* remainder) {
  if (HWY_UNLIKELY(has_nan(x))) {
    store_split(x.first, upper, remainder);
    store_split(x.second, upper + kLanes, remainder + kLanes);
    return;
  }
  store_half_pair<1>(bits(x.first) + 0x8000u, bits(x.second) + 0x8000u, upper);
  store_half_pair<0>(bits(x.first), bits(x.second), remainder);
}

#else

HWY_INLINE LanePair load_split_pair(const uint16_t* upper, const int16_t* remainder) {
  return {load_split(upper, remainder), load_split(upper + kLanes, remainder + kLanes)};
}
HWY_INLINE void store_split_pair(LanePair x, uint16_t* upper, uint16_t* remainder) {
  store_split(x.first, upper, remainder);
  store_split(x.second, upper + kLanes, remainder + kLanes);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
