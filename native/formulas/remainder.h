// A float32 as a bfloat16 and a remainder of 16 bits: its bits are the bfloat16's, as the upper half,
// plus the remainder, a signed number. The bfloat16 is the nearest one, and of two as near the one
// away from zero: rounded to even, one more float32 would belong to an even bfloat16 than a
// remainder can tell apart. Apex's DistributedFusedAdam keeps parameters so
// (store_param_remainders). A NaN, whose rounded upper half might be that of an infinity, is cut and
// made quiet, and has no remainder.
#if defined(NAMP_FORMULAS_REMAINDER_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_REMAINDER_H
#undef NAMP_FORMULAS_REMAINDER_H
#else
#define NAMP_FORMULAS_REMAINDER_H
#endif

#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

// The bfloat16 of x, in the low bits.
template <class F>
NAMP_FORMULA auto without_remainder(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  const U nearest = shift_right<16>(bits(x) + 0x8000u);
  return select(x == x, nearest, shift_right<16>(bits(x)) | 0x40u);
}

// The remainder of x, in the low bits.
template <class F>
NAMP_FORMULA auto remainder_of(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  return select(x == x, bits(x), U(0u));
}

// The float32 of a bfloat16, in the low bits, and a remainder of 32 bits.
template <class F, class U>
NAMP_FORMULA F with_remainder(U upper, U remainder) {
  return from_bits(shift_left<16>(upper) + remainder);
}

NAMP_FORMULAS_END

#endif
