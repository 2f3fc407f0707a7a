// Codes of 8 bits in blocks of NAMP_BLOCK_ELEMENTS that share a scale (NAMP_INT8_DYNAMIC and those
// after it in nativeamp.h). The scale is the block's largest magnitude, so that its element has the
// code of 1 or -1 and keeps its bits: encoding a decoded block gives the same codes and scale.
//
// The dynamic maps have the numbers of bitsandbytes' create_dynamic_map (signed, or not; 7 bits of
// exponent), in its order. They are 0, 1, and seven decades from 1e-6 to 1. Decade d is cut into
// 2^(d + kFirst) equal parts; the numbers are their middles. With t, the place of a number above 0,
// counted from 2^kFirst on, the exponent of t is the decade (plus kFirst), and the fraction of t is
// the part.
#if defined(NAMP_FORMULAS_BLOCK_CODE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_BLOCK_CODE_H
#undef NAMP_FORMULAS_BLOCK_CODE_H
#else
#define NAMP_FORMULAS_BLOCK_CODE_H
#endif

#include "dtype.h"
#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

template <class Map>
struct DynamicDecades {
  static constexpr int kDecades = 7;
  static constexpr int kFirst = Map::kSigned ? 0 : 1;
  static constexpr float kOne = static_cast<float>(1 << (kDecades + kFirst));  // t of 1

  // 10^(decade - 6), the decade's upper end.
  static constexpr double top(int decade) {
    double x = 1.0;
    for (int d = decade; d < kDecades - 1; ++d)
      x /= 10.0;
    return x;
  }
  // Number of the decade's parts, and of the t below it.
  static constexpr double parts(int decade) { return static_cast<double>(1 << (decade + kFirst)); }
  // From here on values are nearer to the decade's first number than to the last one below it.
  static constexpr float begin(int decade) {
    return static_cast<float>(top(decade) / 10.0 * (1.0 + 1.8 / parts(decade)));
  }
  // From here on values are nearer to 1 than to the last number below it.
  static constexpr float begin_of_one() {
    return static_cast<float>(1.0 - 0.225 / parts(kDecades - 1));
  }
  // Half of the first number above 0.
  static constexpr float end_of_zero() {
    return static_cast<float>(top(0) * (0.1 + 0.45 / parts(0)) / 2.0);
  }
};

// The size of one part of t's decade and the decade's upper end. A recursion, not a loop: each
// constant is one for every compiler, and float32 before it comes to a kernel.
template <class Map, int kDecade, class F>
NAMP_FORMULA void decade_of_place(F t, F& one_part, F& top) {
  using Of = DynamicDecades<Map>;
  if constexpr (kDecade < Of::kDecades) {
    constexpr auto kParts = static_cast<float>(Of::parts(kDecade));
    constexpr auto kOnePart = static_cast<float>(1.0 / Of::parts(kDecade));
    constexpr auto kTop = static_cast<float>(Of::top(kDecade));
    const auto there = t >= F(kParts);
    one_part = select(there, F(kOnePart), one_part);
    top = select(there, F(kTop), top);
    decade_of_place<Map, kDecade + 1>(t, one_part, top);
  }
}

// t's number.
template <class Map, class F>
NAMP_FORMULA F dynamic_number(F t) {
  using Of = DynamicDecades<Map>;
  constexpr auto kFirstParts = static_cast<float>(Of::parts(0));
  constexpr auto kOnePart = static_cast<float>(1.0 / Of::parts(0));
  constexpr auto kTop = static_cast<float>(Of::top(0));
  F one_part = F(kOnePart);
  F top = F(kTop);
  decade_of_place<Map, 1>(t, one_part, top);
  const F part = multiply_add(t + F(0.5f), one_part, F(-1.0f));  // exact
  const F number = top * multiply_add(part, F(0.9f), F(0.1f));
  return select(t < F(kFirstParts), F(0.0f), select(t >= F(Of::kOne), F(1.0f), number));
}

// x to the nearest integer, by the unit of the last place of 2^23. For |x| below 2^22.
template <class F>
NAMP_FORMULA F nearest_integer(F x) {
  const F magic = F(12582912.0f);
  return (x + magic) - magic;
}

// The parts of a's decade, and the factor that makes numbers of parts.
template <class Map, int kDecade, class F>
NAMP_FORMULA void decade_of_value(F a, F& parts, F& factor) {
  using Of = DynamicDecades<Map>;
  if constexpr (kDecade < Of::kDecades) {
    constexpr float kBegin = Of::begin(kDecade);
    constexpr auto kParts = static_cast<float>(Of::parts(kDecade));
    constexpr auto kFactor = static_cast<float>(1.0 / (0.9 * Of::top(kDecade)));
    const auto there = a >= F(kBegin);
    parts = select(there, F(kParts), parts);
    factor = select(there, F(kFactor), factor);
    decade_of_value<Map, kDecade + 1>(a, parts, factor);
  }
}

// t of the nearest number to a, from 0 to 1. For an unsigned map it is above 0 where a is.
template <class Map, class F>
NAMP_FORMULA F dynamic_place(F a) {
  using Of = DynamicDecades<Map>;
  constexpr auto kFirstParts = static_cast<float>(Of::parts(0));
  constexpr auto kFirstFactor = static_cast<float>(1.0 / (0.9 * Of::top(0)));
  constexpr auto kEightNinths = static_cast<float>(8.0 / 9.0);
  constexpr float kBeginOfOne = Of::begin_of_one();
  constexpr float kEndOfZero = Of::end_of_zero();
  F parts = F(kFirstParts);
  F factor = F(kFirstFactor);
  decade_of_value<Map, 1>(a, parts, factor);
  // a's part begins at the integer below this; at its ends both neighbours are as near.
  const F exact = parts * multiply_add(a, factor, F(kEightNinths));
  F t = nearest_integer(exact - F(0.5f));
  t = larger(smaller(t, parts + parts - F(1.0f)), parts);
  t = select(a >= F(kBeginOfOne), F(Of::kOne), t);
  if constexpr (Map::kSigned) return select(a < F(kEndOfZero), F(0.0f), t);
  return select(a > F(0.0f), t, F(1.0f));
}

// The number of a code, from -1 to 1.
template <class Map, class F, class U>
NAMP_FORMULA F block_number(U code) {
  const F n = to_float(code);
  if constexpr (!Map::kDynamic) {
    constexpr auto kStep = static_cast<float>(Map::kSigned ? 1.0 / 127.0 : 1.0 / 255.0);
    if constexpr (Map::kSigned) return (n - F(127.0f)) * F(kStep);
    return n * F(kStep);
  } else if constexpr (Map::kSigned) {
    const F t = n - F(127.0f);
    const F number = dynamic_number<Map>(abs(t));
    return select(t < F(0.0f), -number, number);
  } else {
    return dynamic_number<Map>(n + F(1.0f));
  }
}

// The code of the number nearest to x, which is from -1 to 1.
template <class Map, class F>
NAMP_FORMULA auto block_code(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  F code;
  if constexpr (!Map::kDynamic) {
    if constexpr (Map::kSigned) {
      code = nearest_integer(x * F(127.0f)) + F(127.0f);
    } else {
      code = nearest_integer(x * F(255.0f));
      code = select(x > F(0.0f), larger(code, F(1.0f)), F(0.0f));
    }
  } else if constexpr (Map::kSigned) {
    const F t = dynamic_place<Map>(abs(x));
    // There is no number -1.
    code = select(x < F(0.0f), -smaller(t, F(127.0f)), t) + F(127.0f);
  } else {
    code = dynamic_place<Map>(x) - F(1.0f);
  }
  return bits(code + F(8388608.0f)) & U(0xffu);
}

NAMP_FORMULAS_END

#endif

#ifndef NAMP_FORMULAS_BLOCK_SCALE
#define NAMP_FORMULAS_BLOCK_SCALE

namespace namp {

// A block's scale from the largest bits of its magnitudes, and the largest of its elements' bits as
// signed integers; with_sign and dynamic are its map's.
NAMP_FORMULA float block_scale(uint32_t magnitude, uint32_t largest, bool with_sign, bool dynamic) {
  if (less(0x7f7fffffu, magnitude)) return from_bits(0x7fc00000u);
  if (!with_sign) magnitude = larger(largest, 0u);
  if (less(magnitude, 0x00800000u)) return 0.0f;
  // The dynamic map has no number -1: its scale has the sign.
  const bool negative = with_sign && dynamic && largest != magnitude;
  return from_bits(negative ? magnitude | 0x80000000u : magnitude);
}

// The factor that makes numbers of a block's values; 0 where every number is 0.
NAMP_FORMULA float inverse_block_scale(float scale) {
  return scale == scale && scale != 0.0f ? 1.0f / scale : 0.0f;
}

}  // namespace namp
#endif
