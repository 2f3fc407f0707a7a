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
  // The decade's width and lower end; behind the last decade those of 1.
  static constexpr float width(int decade) {
    return decade < kDecades ? static_cast<float>(0.9 * top(decade)) : 0.0f;
  }
  static constexpr float low(int decade) {
    return decade < kDecades ? static_cast<float>(0.1 * top(decade)) : 1.0f;
  }
  static constexpr float first_number() {
    return static_cast<float>(top(0) * (0.1 + 0.45 / parts(0)));
  }
  // From here on values are nearer to the decade's first number than to the last one below it, which
  // is 0 below the first decade.
  static constexpr float begin(int decade) {
    if (decade == 0) return static_cast<float>(top(0) * (0.1 + 0.45 / parts(0)) / 2.0);
    if (decade == kDecades) return static_cast<float>(1.0 - 0.225 / parts(kDecades - 1));
    return static_cast<float>(top(decade) / 10.0 * (1.0 + 1.8 / parts(decade)));
  }
  // A part of value a is a slope + offset, rounded: at its ends both neighbours are as near.
  static constexpr float slope(int decade) {
    return decade < kDecades ? static_cast<float>(parts(decade) / (0.9 * top(decade))) : 0.0f;
  }
  static constexpr float offset(int decade) {
    return decade < kDecades ? static_cast<float>(8.0 / 9.0 * parts(decade) - 0.5) : kOne;
  }
};

// The width of h's decade and its lower end, where h is 2 t + 1 for the place t: 0 and 0 below the first
// decade, 0 and 1 behind the last. A recursion, not a loop: each constant is one for every compiler,
// and float32 before it comes to a kernel.
template <class Map, int kDecade, class F>
NAMP_FORMULA void decade_of_place(F h, F& width, F& low) {
  using Of = DynamicDecades<Map>;
  if constexpr (kDecade <= Of::kDecades) {
    constexpr auto kFrom = static_cast<float>(2.0 * Of::parts(kDecade));
    constexpr float kWidth = Of::width(kDecade);
    constexpr float kLow = Of::low(kDecade);
    const auto there = h >= F(kFrom);
    width = select(there, F(kWidth), width);
    low = select(there, F(kLow), low);
    decade_of_place<Map, kDecade + 1>(h, width, low);
  }
}
template <class Map, class F>
NAMP_FORMULA void decade_of_place(F h, F& width, F& low) {
  width = F(0.0f);
  low = F(0.0f);
  decade_of_place<Map, 0>(h, width, low);
}

// The number of the place t, by h = 2 t + 1: with a fraction of h that is the middle of t's part.
template <class Map, class F>
NAMP_FORMULA F dynamic_number(F h) {
  using U = decltype(bits(h));
  F width, low;
  decade_of_place<Map>(h, width, low);
  const F middle = from_bits((bits(h) & U(0x007fffffu)) | U(0x3f800000u)) - F(1.0f);
  return multiply_add(middle, width, low);
}

// x to the nearest integer, by the unit of the last place of 2^23. For |x| below 2^22.
template <class F>
NAMP_FORMULA F nearest_integer(F x) {
  const F magic = F(12582912.0f);
  return (x + magic) - magic;
}

// The line by which the place of a follows from a within its decade: before the first decade it is
// the place 0, behind the last that of 1.
template <class Map, int kDecade, class F>
NAMP_FORMULA void line_of_value(F a, F& slope, F& offset) {
  using Of = DynamicDecades<Map>;
  if constexpr (kDecade <= Of::kDecades) {
    constexpr float kBegin = Of::begin(kDecade);
    constexpr float kSlope = Of::slope(kDecade);
    constexpr float kOffset = Of::offset(kDecade);
    const auto there = a >= F(kBegin);
    slope = select(there, F(kSlope), slope);
    offset = select(there, F(kOffset), offset);
    line_of_value<Map, kDecade + 1>(a, slope, offset);
  }
}
template <class Map, class F>
NAMP_FORMULA void line_of_value(F a, F& slope, F& offset) {
  slope = F(0.0f);
  offset = F(0.0f);
  line_of_value<Map, 0>(a, slope, offset);
}

// t of the nearest number to a, from 0 to 1, but for the rounding to an integer. For an unsigned map it
// is that of a number above 0.
template <class Map, class F>
NAMP_FORMULA F dynamic_place(F a) {
  if constexpr (!Map::kSigned) {
    constexpr float kFirstNumber = DynamicDecades<Map>::first_number();
    a = from_bits(larger(bits(a), bits(F(kFirstNumber))));
  }
  F slope, offset;
  line_of_value<Map>(a, slope, offset);
  // The last place of the decade is 2 parts - 1, and the offset is 8 / 9 parts - 1 / 2.
  const F last = multiply_add(offset, F(2.25f), F(0.125f));
  return from_bits(smaller(bits(multiply_add(a, slope, offset)), bits(last)));
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
    const F number = dynamic_number<Map>(multiply_add(abs(t), F(2.0f), F(1.0f)));
    return from_bits(bits(number) | (bits(t) & U(0x80000000u)));
  } else {
    return dynamic_number<Map>(multiply_add(n, F(2.0f), F(3.0f)));
  }
}

// The code of the number nearest to x, which is from -1 to 1, in the low 8 bits.
template <class Map, class F>
NAMP_FORMULA auto block_code(F x) -> decltype(bits(x)) {
  using U = decltype(bits(x));
  if constexpr (!Map::kDynamic) {
    F code;
    if constexpr (Map::kSigned) {
      code = nearest_integer(x * F(127.0f)) + F(127.0f);
    } else {
      code = nearest_integer(x * F(255.0f));
      code = select(x > F(0.0f), larger(code, F(1.0f)), F(0.0f));
    }
    return bits(code + F(8388608.0f));
  } else if constexpr (Map::kSigned) {
    // The sum of 1.5 * 2^23 and an integer has that in its low bits.
    const F place = dynamic_place<Map>(abs(x));
    const F with_sign = from_bits(bits(place) | (bits(x) & U(0x80000000u)));
    // There is no number -1: it would be the code below 0.
    return larger(bits(with_sign + F(12582912.0f + 127.0f)), bits(F(12582912.0f)));
  } else {
    return select(x > F(0.0f), bits(dynamic_place<Map>(x) + F(12582912.0f - 1.0f)), U(0u));
  }
}

// A block's scale from the largest of its elements' bits, as unsigned and as signed integers;
// with_sign and dynamic are its map's. Without branches: which sign the largest has is not foreseen.
template <class U>
NAMP_FORMULA auto block_scale(U any, U largest, bool with_sign, bool dynamic)
    -> decltype(from_bits(any)) {
  // With an element below 0 any is the one of the largest magnitude, else it is largest.
  const U all = larger(any & 0x7fffffffu, largest);
  const U magnitude = with_sign ? all : larger(largest, U(0u));
  // The dynamic map has no number -1: its scale has the sign.
  const U sign = select(largest == magnitude, U(0u), U(with_sign && dynamic ? 0x80000000u : 0u));
  const U scale = select(less(magnitude, U(0x00800000u)), U(0u), magnitude | sign);
  return from_bits(select(less(U(0x7f7fffffu), all), U(0x7fc00000u), scale));
}

NAMP_FORMULAS_END

#endif

#ifndef NAMP_FORMULAS_BLOCK_SCALE
#define NAMP_FORMULAS_BLOCK_SCALE

namespace namp {

// The factor that makes numbers of a block's values; 0 where every number is 0.
NAMP_FORMULA float inverse_block_scale(float scale) {
  return scale == scale && scale != 0.0f ? 1.0f / scale : 0.0f;
}

}  // namespace namp
#endif
