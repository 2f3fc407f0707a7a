// Every format of lists/dtypes.h to float32 and back, on the bits: round to nearest even,
// subnormals kept, NaN kept with its sign and upper payload bits and made quiet, overflow to
// infinity or, if the format has none, to NaN. For binary16 the result is that of F16C and of the
// GPU's conversions, bit for bit; for the 8-bit formats it is that of the OCP 8-bit Floating Point
// Specification 1.0 (section 5.2). A code is the low bits of a U.
#if defined(NAMP_FORMULAS_CODEC_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_CODEC_H
#undef NAMP_FORMULAS_CODEC_H
#else
#define NAMP_FORMULAS_CODEC_H
#endif

#include <type_traits>

#include "dtype.h"
#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

// Constants of the conversion between a float32's magnitude and a code's.
template <class Element>
struct Rebias {
  using Of = Format<Element>;
  static constexpr int kCut = 23 - Of::kFractionBits;  // bits of the fraction that are cut
  static constexpr uint32_t kSign = 1u << (Of::kBits - 1);
  static constexpr uint32_t kFraction = (1u << Of::kFractionBits) - 1u;
  static constexpr uint32_t kExponents = 127u - static_cast<uint32_t>(Of::kBias);
  // float32 magnitudes from here on are normal in the format.
  static constexpr uint32_t kFirstNormal = (kExponents + 1u) << 23;
  // A subnormal's code is a multiple of 2 to this power.
  static constexpr int kUnitExponent = 1 - Of::kBias - Of::kFractionBits;
};

// The code's value.
template <class Element, class F, class U>
NAMP_FORMULA F decode(U code) {
  using Of = Format<Element>;
  using By = Rebias<Element>;
  if constexpr (Of::kExponentBits == 8) {
    return from_bits(shift_left<32 - Of::kBits>(code));
  } else {
    const U sign = shift_left<32 - Of::kBits>(code & By::kSign);
    const U magnitude = code & (By::kSign - 1u);
    const U normal = shift_left<By::kCut>(magnitude) + (By::kExponents << 23);
    const F subnormal = to_float(magnitude) * F(power_of_two(By::kUnitExponent));  // exact
    U wide = select(less(magnitude, U(1u << Of::kFractionBits)), bits(subnormal), normal);
    if constexpr (Of::kHasInfinity) {
      const U special = shift_left<By::kCut>(magnitude) | 0x7f800000u;  // infinity, NaN
      const U quiet = select(less(U(Of::kInfinity), magnitude), U(0x00400000u), U(0u));
      wide = select(less(U(Of::kInfinity - 1u), magnitude), special | quiet, wide);
    } else {
      wide = select(magnitude == U(Of::kOverflow), U(0x7fc00000u), wide);
    }
    return from_bits(wide | sign);
  }
}

// The code of a NaN, without its sign.
template <class Element, class U>
NAMP_FORMULA U encode_nan(U magnitude) {
  using Of = Format<Element>;
  if constexpr (Of::kHasInfinity) {
    return (shift_right<Rebias<Element>::kCut>(magnitude) & Rebias<Element>::kFraction) |
           (Of::kInfinity | 1u << (Of::kFractionBits - 1));
  } else {
    return U(Of::kOverflow);
  }
}

// The rounded magnitudes as a code: normal where x is normal in the format, subnormal below.
template <class Element, class U>
NAMP_FORMULA U assemble(U sign, U magnitude, U normal, U subnormal) {
  using Of = Format<Element>;
  normal = select(less(U(Of::kOverflow), normal), U(Of::kOverflow), normal);
  U code = select(less(magnitude, U(Rebias<Element>::kFirstNormal)), subnormal, normal);
  code = select(less(U(0x7f800000u), magnitude), encode_nan<Element>(magnitude), code);
  return code | sign;
}

// For a format with float32's exponent; x is not NaN.
template <class Element, class F>
NAMP_FORMULA auto round_fraction(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  constexpr int kCut = Rebias<Element>::kCut;
  const U wide = bits(x);
  const U odd = shift_right<kCut>(wide) & 1u;
  return shift_right<kCut>(wide + odd + ((1u << (kCut - 1)) - 1u));
}

// The nearest code.
template <class Element, class F>
NAMP_FORMULA auto encode(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  using Of = Format<Element>;
  using By = Rebias<Element>;
  if constexpr (Of::kExponentBits == 8) {
    const U wide = bits(x);
    const U nan = shift_right<By::kCut>(wide) | (1u << (Of::kFractionBits - 1));
    return select(less(U(0x7f800000u), wide & 0x7fffffffu), nan, round_fraction<Element>(x));
  } else {
    const U sign = shift_right<32 - Of::kBits>(bits(x)) & By::kSign;
    const U magnitude = bits(x) & 0x7fffffffu;
    // Normal: add just under half of the last place (exactly half if the last kept bit is odd) and
    // cut. A carry goes into the exponent, and past the largest exponent it gives infinity.
    const U odd = shift_right<By::kCut>(magnitude) & 1u;
    const U normal = shift_right<By::kCut>(magnitude + odd + ((1u << (By::kCut - 1)) - 1u)) -
                     (By::kExponents << Of::kFractionBits);
    // Subnormal: adding a number whose last place is a subnormal's unit rounds.
    constexpr float kBeside = power_of_two(23 + By::kUnitExponent);
    const U subnormal = bits(from_bits(magnitude) + kBeside) -
                        (static_cast<uint32_t>(127 + 23 + By::kUnitExponent) << 23);
    return assemble<Element>(sign, magnitude, normal, subnormal);
  }
}

// Stochastic rounding: rounds up with the probability of the discarded fraction, by a uniform
// 32-bit word. Otherwise as above.
template <class Element, class F, class U>
NAMP_FORMULA U encode_stochastic(F x, U random) {
  using Of = Format<Element>;
  using By = Rebias<Element>;
  const U drawn = shift_right<32 - By::kCut>(random);  // in units of the cut bits
  if constexpr (Of::kExponentBits == 8) {
    const U wide = bits(x);
    const U nan = shift_right<By::kCut>(wide) | (1u << (Of::kFractionBits - 1));
    return select(less(U(0x7f800000u), wide & 0x7fffffffu), nan,
                  shift_right<By::kCut>(wide + drawn));
  } else {
    const U sign = shift_right<32 - Of::kBits>(bits(x)) & By::kSign;
    const U magnitude = bits(x) & 0x7fffffffu;
    const U normal =
        shift_right<By::kCut>(magnitude + drawn) - (By::kExponents << Of::kFractionBits);
    // Subnormal: whole is the integer below, and the rest is exact.
    const F units = from_bits(magnitude) * power_of_two(-By::kUnitExponent);
    const F nearest = (units + 0x1p23f) - 0x1p23f;
    const F whole = select(nearest > units, nearest - 1.0f, nearest);
    const auto up = to_float(shift_right<8>(random)) * 0x1p-24f < units - whole;
    const U subnormal = bits(select(up, whole + 1.0f, whole) + 0x1p23f) & 0x7fffffu;
    return assemble<Element>(sign, magnitude, normal, subnormal);
  }
}

// Finite values beyond the limit become the limit, with their sign. NaN stays, and infinity stays
// if the format says so.
template <class Element, class F>
NAMP_FORMULA F saturate(F x, F limit) {
  const F a = abs(x);
  auto beyond = a > limit;
  if constexpr (!Format<Element>::kSaturatesInfinity)
    beyond = beyond && a < from_bits(decltype(bits(x))(0x7f800000u));
  return select(beyond, from_bits(bits(limit) | (bits(x) & 0x80000000u)), x);
}

// A result computed from x, with the same NaN on every backend: x's own, made quiet; or, if x is
// not a NaN, the positive one without a payload.
template <class F>
NAMP_FORMULA F same_nan(F result, F x) {
  using U = decltype(bits(x));
  const F nan = select(x == x, from_bits(U(0x7fc00000u)), from_bits(bits(x) | 0x00400000u));
  return select(result == result, result, nan);
}

// A code's value is multiplied by its cell's scale. A value to store is divided by the scale first.
template <class F>
NAMP_FORMULA F times_scale(F x, F scale) {
  return same_nan(x * scale, x);
}
template <class F>
NAMP_FORMULA F over_scale(F x, F scale) {
  return same_nan(x / scale, x);
}
// The same of a decoded element of any format: times its cell's scale, if it may have one.
template <class Element, class F>
NAMP_FORMULA F scaled_value(F x, F scale) {
  if constexpr (Format<Element>::kMayHaveScale) return times_scale(x, scale);
  return x;
}

NAMP_FORMULAS_END

#endif
