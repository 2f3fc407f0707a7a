// Powers in float32 for every kind of lane, with the same bits on each.
#if defined(NAMP_FORMULAS_POWER_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_POWER_H
#undef NAMP_FORMULAS_POWER_H
#else
#define NAMP_FORMULAS_POWER_H
#endif

#include "formulas/lane.h"
#include "formulas/math.h"

NAMP_FORMULAS_BEGIN

// A number as the sum of two floats, the second at most half a unit of the first one's last place.
template <class F>
struct Doubled {
  F high;
  F low;
};

// a + b exactly, where |a| >= |b| or a is 0 (Dekker's Fast2Sum).
template <class F>
NAMP_FORMULA Doubled<F> exact_sum(F a, F b) {
  const F sum = a + b;
  return {sum, b - (sum - a)};
}

// log2(x) of a positive finite x, to a relative 2^-30: the argument is split as in log, and the quotient s
// and the products have their rounding errors beside them.
template <class F>
NAMP_FORMULA Doubled<F> exact_log2(F x) {
  constexpr float kLog2EUpper = 0x1.715476p+0f;
  constexpr float kLog2ELower = 0x1.4ae0cp-26f;
  const auto subnormal = x < 0x1p-126f;
  const F scaled = select(subnormal, x * 0x1p23f, x);
  const auto offset = bits(scaled) - 0x3f3504f3u;
  const F k =
      to_float(shift_right<23>(offset + 0x40000000u)) - select(subnormal, F(151.0f), F(128.0f));
  const F f = from_bits((offset & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  // s + s_low = f / (2 + f).
  const Doubled<F> divisor = exact_sum(F(2.0f), f);
  const F s = f / divisor.high;
  const F rest = multiply_add(-s, divisor.high, f) - s * divisor.low;
  const F s_low = rest / divisor.high;
  // log(1 + f) = 2 s + s R(s^2).
  const F z = s * s;
  const F series =
      z * polynomial(z, 0x1.555554p-1f, 0x1.999a7ep-2f, 0x1.2437d2p-2f, 0x1.e31f7cp-3f);
  const Doubled<F> ln = exact_sum(s + s, s_low + s_low + s * series);
  const F product = ln.high * kLog2EUpper;
  const F product_low = multiply_add(ln.high, F(kLog2EUpper), -product) +
                        (ln.low * kLog2EUpper + ln.high * kLog2ELower);
  const Doubled<F> sum = exact_sum(k, product);
  return {sum.high, sum.low + product_low};
}

// x^y of a positive finite x: 2^(y log2 x).
template <class F>
NAMP_FORMULA F positive_power(F x, float y) {
  const Doubled<F> log2 = exact_log2(x);
  F high = log2.high * y;
  F low = multiply_add(log2.high, F(y), -high) + log2.low * y;
  // Beyond these it is infinite, or 0.
  const auto far = abs(high) < 170.0f;
  high = select(far, high, select(high > 0.0f, F(170.0f), F(-170.0f)));
  low = select(far, low, F(0.0f));
  const F shifted = high + 12582912.0f;
  const F r = (high - (shifted - 12582912.0f)) + low;
  const F e = fused_polynomial(r, 1.0f, 0x1.62e43p-1f, 0x1.ebfbdap-3f, 0x1.c6aed2p-5f,
                               0x1.3b2dbep-7f, 0x1.5f464ep-10f, 0x1.41d286p-13f);
  // 2^n in two factors, as in exp: n is from -170 to 170.
  const auto exponent = bits(shifted) - 0x4b400000u + 256u;
  const auto half = shift_right<1>(exponent);
  return e * from_bits(shift_left<23>(half - 1u)) * from_bits(shift_left<23>(exponent - half - 1u));
}

// x^y with a finite y, and C's special values.
class PowerOf {
 public:
  NAMP_FORMULA explicit PowerOf(float exponent) : y_(exponent) {
    const float size = abs(exponent);
    // Floats of 2^24 and more are even integers.
    is_integer_ = size >= 0x1p24f || static_cast<float>(static_cast<int32_t>(size)) == size;
    is_odd_ = size < 0x1p24f && is_integer_ && (static_cast<int32_t>(size) & 1) != 0;
  }

  template <class F>
  NAMP_FORMULA F operator()(F x) const {
    if (y_ == 0.0f) return F(1.0f);
    if (y_ == 1.0f) return x;
    if (y_ == 2.0f) return x * x;
    if (y_ == 3.0f) return x * x * x;
    if (y_ == -1.0f) return 1.0f / x;
    if (y_ == -2.0f) {
      const F inverse = 1.0f / x;  // before the square, which may overflow
      return inverse * inverse;
    }
    if (y_ == 0.5f) return sqrt(x);
    if (y_ == -0.5f) return 1.0f / sqrt(x);
    const F a = from_bits(bits(x) & 0x7fffffffu);  // not by abs: see bits
    const F at_zero = from_bits(y_ > 0.0f ? 0u : 0x7f800000u) + F(0.0f);
    const F at_infinity = from_bits(y_ > 0.0f ? 0x7f800000u : 0u) + F(0.0f);
    const auto infinite = a == from_bits(0x7f800000u);
    F power = positive_power(a, y_);
    power = select(a == 0.0f, at_zero, power);
    power = select(infinite, at_infinity, power);
    if (is_odd_) power = copy_sign(power, x);
    if (!is_integer_)
      power = select(x < 0.0f && !infinite, from_bits(0x7fc00000u) + F(0.0f), power);
    return select(x == x, power, x);
  }

 private:
  float y_;
  bool is_integer_;
  bool is_odd_;
};

NAMP_FORMULAS_END

#endif
