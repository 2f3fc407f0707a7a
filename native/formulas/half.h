// Half precision to float32 and back, on the bits: IEEE binary16 and bfloat16, round to nearest
// even, subnormals kept, NaN kept with its sign and upper payload bits and made quiet, overflow to
// infinity. What F16C and the GPU's conversions give, bit for bit. A half is the low 16 bits of a
// U.
#if defined(NAMP_FORMULAS_HALF_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_HALF_H
#undef NAMP_FORMULAS_HALF_H
#else
#define NAMP_FORMULAS_HALF_H
#endif

#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

template <class F, class U>
NAMP_FORMULA F widen_float16(U half) {
  const U sign = shift_left<16>(half & 0x8000u);
  const U magnitude = half & 0x7fffu;
  const U normal = shift_left<13>(magnitude) + (112u << 23);  // rebias the exponent, 15 to 127
  const F subnormal = to_float(magnitude) * F(0x1p-24f);      // exact
  const U special = shift_left<13>(magnitude) | 0x7f800000u;  // infinity, NaN
  const U quiet = select(less(U(0x7c00u), magnitude), U(0x00400000u), U(0u));
  U wide = select(less(magnitude, U(0x0400u)), bits(subnormal), normal);
  wide = select(less(U(0x7bffu), magnitude), special | quiet, wide);
  return from_bits(wide | sign);
}

template <class F>
NAMP_FORMULA auto narrow_float16(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  const U sign = shift_right<16>(bits(x)) & 0x8000u;
  const U magnitude = bits(x) & 0x7fffffffu;
  // Normal: add just under half of the last place (all of it where the last bit kept is odd) and
  // cut. A carry runs into the exponent, and past the largest half it arrives at infinity.
  const U odd = shift_right<13>(magnitude) & 1u;
  U normal = shift_right<13>(magnitude + odd + 0xfffu) - (112u << 10);
  normal = select(less(U(0x7c00u), normal), U(0x7c00u), normal);
  // Subnormal: the last place of numbers in [0.5, 1) is 2^-24, a half's, so that adding 0.5 rounds.
  const U subnormal = bits(from_bits(magnitude) + 0.5f) - 0x3f000000u;
  const U nan = shift_right<13>(magnitude) & 0x3ffu;
  U half = select(less(magnitude, U(0x38800000u)), subnormal, normal);
  half = select(less(U(0x7f800000u), magnitude), nan | 0x7e00u, half);
  return half | sign;
}

template <class F, class U>
NAMP_FORMULA F widen_bfloat16(U half) {
  return from_bits(shift_left<16>(half));
}

// Of what is not NaN.
template <class F>
NAMP_FORMULA auto round_bfloat16(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  const U wide = bits(x);
  const U odd = shift_right<16>(wide) & 1u;
  return shift_right<16>(wide + odd + 0x7fffu);
}

template <class F>
NAMP_FORMULA auto narrow_bfloat16(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  const U wide = bits(x);
  const U nan = shift_right<16>(wide) | 0x40u;
  return select(less(U(0x7f800000u), wide & 0x7fffffffu), nan, round_bfloat16(x));
}

// Stochastic rounding: up with the probability of the discarded fraction, drawn by a uniform 32-bit
// word. Otherwise as above.

template <class F, class U>
NAMP_FORMULA U narrow_float16_stochastic(F x, U random) {
  const U sign = shift_right<16>(bits(x)) & 0x8000u;
  const U magnitude = bits(x) & 0x7fffffffu;
  U normal = shift_right<13>(magnitude + shift_right<19>(random)) - (112u << 10);
  normal = select(less(U(0x7c00u), normal), U(0x7c00u), normal);
  // Subnormal: in units of 2^-24, whole is the integer below and the rest is exact.
  const F units = from_bits(magnitude) * 0x1p24f;
  const F nearest = (units + 0x1p23f) - 0x1p23f;
  const F whole = select(nearest > units, nearest - 1.0f, nearest);
  const auto up = to_float(shift_right<8>(random)) * 0x1p-24f < units - whole;
  const U subnormal = bits(select(up, whole + 1.0f, whole) + 0x1p23f) & 0x7fffffu;
  const U nan = shift_right<13>(magnitude) & 0x3ffu;
  U half = select(less(magnitude, U(0x38800000u)), subnormal, normal);
  half = select(less(U(0x7f800000u), magnitude), nan | 0x7e00u, half);
  return half | sign;
}

template <class F, class U>
NAMP_FORMULA U narrow_bfloat16_stochastic(F x, U random) {
  const U wide = bits(x);
  const U rounded = shift_right<16>(wide + shift_right<16>(random));
  const U nan = shift_right<16>(wide) | 0x40u;
  return select(less(U(0x7f800000u), wide & 0x7fffffffu), nan, rounded);
}

// Finite values beyond the limit become the limit, with their sign; infinity and NaN stay.
template <class F>
NAMP_FORMULA F saturate(F x, F limit) {
  const F a = abs(x);
  const auto beyond = a > limit && a < from_bits(decltype(bits(x))(0x7f800000u));
  return select(beyond, from_bits(bits(limit) | (bits(x) & 0x80000000u)), x);
}

NAMP_FORMULAS_END

#endif
