// Elementary functions in float32 for every kind of lane, with the same bits on each. They are
// polynomials fitted by the Remez exchange algorithm (relative error below 2^-28
// but where they say otherwise). NaN gives NaN.
#if defined(NAMP_FORMULAS_MATH_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_MATH_H
#undef NAMP_FORMULAS_MATH_H
#else
#define NAMP_FORMULAS_MATH_H
#endif

#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

// c0 + c1 x + c2 x^2 + …
template <class F>
NAMP_FORMULA F polynomial(F, float c0) {
  return F(c0);
}
template <class F, class... C>
NAMP_FORMULA F polynomial(F x, float c0, C... rest) {
  return polynomial(x, rest...) * x + c0;
}

// The same, each product and its sum rounded once: half the instructions.
template <class F>
NAMP_FORMULA F fused_polynomial(F, float c0) {
  return F(c0);
}
template <class F, class... C>
NAMP_FORMULA F fused_polynomial(F x, float c0, C... rest) {
  return multiply_add(fused_polynomial(x, rest...), x, F(c0));
}

// x with the sign of sign; x is not negative.
template <class F>
NAMP_FORMULA F copy_sign(F x, F sign) {
  return from_bits(bits(x) | (bits(sign) & 0x80000000u));
}

// e^r = 1 + r + r^2 (c0 + c1 r + …) for |r| up to ln 2 / 2, and ln 2 in two parts; the upper part
// has few bits, so that its product with a small integer is exact.
inline constexpr float kExp0 = 0.5f;
inline constexpr float kExp1 = 0x1.55548ep-3f;
inline constexpr float kExp2 = 0x1.55545cp-5f;
inline constexpr float kExp3 = 0x1.123c02p-7f;
inline constexpr float kExp4 = 0x1.6db518p-10f;
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kLn2Upper = 0.693359375f;
inline constexpr float kLn2Lower = -2.12194440e-4f;

// e^x. Overflows to infinity, underflows through the subnormals to 0.
template <class F>
NAMP_FORMULA F exp(F x) {
  x = select(x > 89.0f, F(89.0f), x);
  x = select(x < -104.0f, F(-104.0f), x);
  // x = n ln 2 + r. Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits.
  const F shifted = x * kLog2E + 12582912.0f;
  const F n = shifted - 12582912.0f;
  const F r = (x - n * kLn2Upper) - n * kLn2Lower;
  const F p = polynomial(r, kExp0, kExp1, kExp2, kExp3, kExp4);
  const F e = (r * r * p + r) + 1.0f;
  // 2^n in two factors, each a normal number: n is from -150 to 129.
  const auto exponent = bits(shifted) - 0x4b400000u + 256u;  // n + 256, positive
  const auto half = shift_right<1>(exponent);
  const F first = from_bits(shift_left<23>(half - 1u));  // 2^(half - 128)
  const F second = from_bits(shift_left<23>(exponent - half - 1u));
  return e * first * second;
}

// 2^(a b + kExponent), or its negative, where that is a normal number; anything elsewhere, and NaN of NaN. The product is
// not rounded. Relative error of the polynomial below 2^-25.
template <int kExponent, bool kMinus = false, class F>
NAMP_FORMULA F exp2_of_product(F a, F b) {
  // a b = n + r, n an integer. As in exp, n + kExponent is then in the low bits.
  constexpr float kRound = 12582912.0f + static_cast<float>(kExponent);
  const F shifted = multiply_add(a, b, F(kRound));
  const F r = multiply_add(a, b, kRound - shifted);
  const F e = fused_polynomial(r, 1.0f, 0x1.62e43p-1f, 0x1.ebfbdap-3f, 0x1.c6aed2p-5f,
                               0x1.3b2dbep-7f, 0x1.5f464ep-10f, 0x1.41d286p-13f);
  constexpr uint32_t kOne = kMinus ? 0xbf800000u : 0x3f800000u;  // a NaN keeps its sign
  return e * from_bits(shift_left<23>(bits(shifted)) + kOne);
}

// e^x for x of at most 88, as a softmax needs it: a third of exp's instructions. 0 below -87; the
// relative error grows by |x| 2^-26.
template <class F>
NAMP_FORMULA F exp_of_distance(F x) {
  return select(x < -87.0f, F(0.0f), exp2_of_product<0>(x, F(kLog2E)));
}

// Natural logarithm: -infinity of 0, NaN of negative numbers.
template <class F>
NAMP_FORMULA F log(F x) {
  const auto subnormal = x < 0x1p-126f;
  const F scaled = select(subnormal, x * 0x1p23f, x);
  // scaled = 2^k m with m from sqrt(1/2) to sqrt(2).
  const auto offset = bits(scaled) - 0x3f3504f3u;
  const F k =
      to_float(shift_right<23>(offset + 0x40000000u)) - select(subnormal, F(151.0f), F(128.0f));
  const F m = from_bits((offset & 0x007fffffu) + 0x3f3504f3u);
  // log(1 + f) = f - f^2/2 + s (f^2/2 + s^2 R(s^2)) with s = f / (2 + f), by the series of the
  // inverse hyperbolic tangent.
  const F f = m - 1.0f;
  const F s = f / (f + 2.0f);
  const F z = s * s;
  const F series =
      z * polynomial(z, 0x1.555554p-1f, 0x1.999a7ep-2f, 0x1.2437d2p-2f, 0x1.e31f7cp-3f);
  const F square = f * f * 0.5f;
  F y = k * kLn2Upper - ((square - (s * (square + series) + k * kLn2Lower)) - f);
  y = select(bits(x) == 0x7f800000u, x, y);
  y = select(x == 0.0f, from_bits(bits(x) | 0xff800000u), y);
  return select(x < 0.0f, from_bits(bits(x) | 0x7fc00000u), select(x == x, y, x));
}

// log(1 + x) for x from 0 to 1. The rounding of 1 + x is made up for (Kahan).
template <class F>
NAMP_FORMULA F log1p(F x) {
  const F sum = x + 1.0f;
  return log(sum) + (x - (sum - 1.0f)) / sum;
}

template <class F>
NAMP_FORMULA F tanh(F x) {
  const F a = abs(x);
  const F z = x * x;
  const F near = a * z *
                     polynomial(z, -0x1.555554p-2f, 0x1.11106ap-3f, -0x1.b9ef56p-5f, 0x1.639324p-6f,
                                -0x1.0c1876p-7f, 0x1.1959fcp-9f) +
                 a;
  const F far = 1.0f - 2.0f / (exp(a + a) + 1.0f);
  return copy_sign(select(a < 0.625f, near, far), x);
}

// The error function.
template <class F>
NAMP_FORMULA F erf(F x) {
  const F a = abs(x);
  const F z = x * x;
  const F near = a * polynomial(z, 0x1.06eba8p-3f, -0x1.812744p-2f, 0x1.ce2e22p-4f, -0x1.b8108cp-6f,
                                0x1.54da22p-8f, -0x1.aad91cp-11f, 0x1.5ebd9cp-14f) +
                 a;
  // Beyond that 1 - e^-p, with p fitted to -ln(1 - erf); from 4 on it is 1.
  const F b = select(a > 4.0f, F(4.0f), a);
  const F p = polynomial(b, -0x1.70d56ap-13f, 0x1.212846p+0f, 0x1.444470p-1f, 0x1.bb926cp-4f,
                         -0x1.9bb50ep-6f, 0x1.1196d4p-8f, -0x1.c85bf8p-12f, 0x1.630964p-16f);
  return copy_sign(select(a < 0.92f, near, 1.0f - exp(0.0f - p)), x);
}

NAMP_FORMULAS_END

#endif
