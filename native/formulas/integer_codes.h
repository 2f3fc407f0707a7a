// Values as signed integers of 8 bits (namp_row_codes_args, namp_tensor_codes_args), and what
// becomes of a sum of products of such integers. A code is the low 8 bits of a U.
#if defined(NAMP_FORMULAS_INTEGER_CODES_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_INTEGER_CODES_H
#undef NAMP_FORMULAS_INTEGER_CODES_H
#else
#define NAMP_FORMULAS_INTEGER_CODES_H
#endif

#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

// A row's scale, from the largest of its magnitudes' bits. A row with an infinity or a NaN has NaN,
// which is not computed: a GPU's would have other bits.
NAMP_FORMULA float row_scale(uint32_t magnitude) {
  return magnitude < 0x7f800000u ? from_bits(magnitude) / 127.0f : from_bits(0x7fc00000u);
}

// With 1.5 * 2^23 added, units are the last place: the nearest integer, ties to even, is in the low
// bits. For |x| below 2^22.
inline constexpr float kCodeUnits = 12582912.0f;

// x's code, by a scale above 0.
template <class F>
NAMP_FORMULA auto row_code(F x, F scale) -> decltype(bits(x)) {
  const F level = x / scale;
  // A scale that is subnormal is so far from m / 127 that levels beyond 127 occur.
  const F above = select(level > F(127.0f), F(127.0f), level);
  const F kept = select(above < F(-127.0f), F(-127.0f), above);
  return bits(kept + F(kCodeUnits));
}

// The same by a scale and a zero point that are known before. A NaN has the code of 0.
template <class F>
NAMP_FORMULA auto tensor_code(F x, F scale, float zero_point) -> decltype(bits(x)) {
  const F level = x / scale;
  const F least(-128.0f - zero_point);
  const F most(127.0f - zero_point);
  const F number = select(level == level, level, F(0.0f));
  const F below = select(number > most, most, number);
  const F kept = select(below < least, least, below);
  const F rounded = (kept + F(kCodeUnits)) - F(kCodeUnits);
  return bits(rounded + F(zero_point) + F(kCodeUnits));
}

// An exact sum of products of codes, with the scales of both sides.
template <class F>
NAMP_FORMULA F scale_sum(F sum, F a_scale, F b_scale, bool biased, F bias) {
  const F x = sum * a_scale * b_scale;
  return biased ? x + bias : x;
}

NAMP_FORMULAS_END

#endif
