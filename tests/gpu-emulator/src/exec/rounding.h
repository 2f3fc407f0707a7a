// Rounding modes and the formats narrower than a float: every conversion to them goes through here.
#pragma once

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>

namespace nampemu {

enum class Round : uint8_t { nearest, zero, down, up };

// The host rounds this way while it lives. What is computed must be loaded and stored inside its
// scope.
class RoundingScope {
 public:
  explicit RoundingScope(Round round) : before_(round == Round::nearest ? -1 : std::fegetround()) {
    if (before_ >= 0) std::fesetround(host(round));
  }
  ~RoundingScope() {
    if (before_ >= 0) std::fesetround(before_);
  }
  RoundingScope(const RoundingScope&) = delete;
  RoundingScope& operator=(const RoundingScope&) = delete;

 private:
  static int host(Round round) {
    switch (round) {
      case Round::zero:
        return FE_TOWARDZERO;
      case Round::down:
        return FE_DOWNWARD;
      case Round::up:
        return FE_UPWARD;
      default:
        return FE_TONEAREST;
    }
  }
  int before_;
};

inline constexpr uint32_t kCanonicalNan = 0x7fffffff;
inline constexpr uint16_t kCanonicalHalfNan = 0x7fff;

// f32 results that are NaN have these bits, whatever went in. f64 keeps the host's: PTX promises
// nothing there.
inline float canonical(float value) {
  return value != value ? std::bit_cast<float>(kCanonicalNan) : value;
}
inline double canonical(double value) { return value; }

inline float flush(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return (bits & 0x7f800000) == 0 ? std::bit_cast<float>(bits & 0x80000000) : value;
}
inline double flush(double value) { return value; }

// A 16-bit float: binary16 (5 exponent bits, 10 of fraction) or bfloat16 (8, 7).
template <int kExponentBits, int kFractionBits>
struct Small {
  static constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
  static constexpr uint32_t kInfinity = ((1U << kExponentBits) - 1) << kFractionBits;

  static double widen(uint16_t bits) {
    const uint32_t exponent = (bits >> kFractionBits) & ((1U << kExponentBits) - 1);
    const uint32_t fraction = bits & ((1U << kFractionBits) - 1);
    const bool negative = (bits & 0x8000) != 0;
    double value;
    if (exponent == (1U << kExponentBits) - 1) {
      value = fraction != 0 ? std::bit_cast<double>(uint64_t{0x7ff8000000000000}) : HUGE_VAL;
    } else if (exponent == 0) {
      value = std::ldexp(static_cast<double>(fraction), 1 - kBias - kFractionBits);
    } else {
      value = std::ldexp(static_cast<double>(fraction | (1U << kFractionBits)),
                         static_cast<int>(exponent) - kBias - kFractionBits);
    }
    return negative ? -value : value;
  }

  // Rounds once, from a double that holds the source exactly (or rounded to odd).
  static uint16_t narrow(double value, Round round) {
    if (value != value) return kCanonicalHalfNan;
    const bool negative = std::signbit(value);
    const uint16_t sign = negative ? 0x8000 : 0;
    const uint64_t bits = std::bit_cast<uint64_t>(value) & 0x7fffffffffffffff;
    if (bits == 0x7ff0000000000000) return static_cast<uint16_t>(sign | kInfinity);
    if (bits == 0) return sign;
    const int exponent = static_cast<int>(bits >> 52) - 1023;
    if (exponent < -1000) return directed(sign, 0, true, false, round);  // below any half
    const uint64_t mantissa = (bits & 0xfffffffffffff) | (uint64_t{1} << 52);
    // How many bits of the 53 fall off; more of them for a subnormal result.
    int drop = 52 - kFractionBits;
    int field = exponent + kBias;
    if (field < 1) {
      drop += 1 - field;
      field = 0;
    }
    if (drop > 62) return directed(sign, 0, true, false, round);
    uint64_t kept = mantissa >> drop;
    const uint64_t rest = mantissa & ((uint64_t{1} << drop) - 1);
    const uint64_t half = uint64_t{1} << (drop - 1);
    uint64_t encoded =
        field > 0 ? (static_cast<uint64_t>(field - 1) << kFractionBits) + kept : kept;
    bool increase = false;
    switch (round) {
      case Round::nearest:
        increase = rest > half || (rest == half && (kept & 1) != 0);
        break;
      case Round::zero:
        break;
      case Round::down:
        increase = negative && rest != 0;
        break;
      case Round::up:
        increase = !negative && rest != 0;
        break;
    }
    encoded += increase ? 1 : 0;
    if (encoded >= kInfinity) {
      const bool to_infinity = round == Round::nearest || (round == Round::up && !negative) ||
                               (round == Round::down && negative);
      encoded = to_infinity ? kInfinity : kInfinity - 1;
    }
    return static_cast<uint16_t>(sign | encoded);
  }

 private:
  // A value too small for any bit: zero, or the least subnormal when rounding away.
  static uint16_t directed(uint16_t sign, uint16_t kept, bool inexact, bool, Round round) {
    const bool away =
        inexact && ((round == Round::up && sign == 0) || (round == Round::down && sign != 0));
    return static_cast<uint16_t>(sign | (kept + (away ? 1 : 0)));
  }
};
using Binary16 = Small<5, 10>;
using Bfloat16 = Small<8, 7>;

// The common conversions, without leaving 32 bits.
inline float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t magnitude = bits & 0x7fffU;
  if (magnitude > 0x7c00) return std::bit_cast<float>(kCanonicalNan);
  if (magnitude == 0x7c00) return std::bit_cast<float>(sign | 0x7f800000U);
  // 2¹¹² moves the exponent's bias from 15 to 127; subnormals come out right because the product is
  // exact.
  const float value = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(value));
}
inline float bfloat_to_float(uint16_t bits) {
  return canonical(std::bit_cast<float>(static_cast<uint32_t>(bits) << 16));
}
inline uint16_t float_to_half(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  const uint32_t magnitude = bits & 0x7fffffff;
  uint32_t result;
  if (magnitude > 0x7f800000) return kCanonicalHalfNan;
  if (magnitude >= 0x47800000) {
    result = 0x7c00;
  } else if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 leaves the fraction, rounded by the host, in the low bits.
    result = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3f000000;
  } else {
    result = (magnitude + 0xc8000fff + ((magnitude >> 13) & 1)) >> 13;
  }
  return static_cast<uint16_t>(sign | result);
}
inline uint16_t float_to_bfloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return kCanonicalHalfNan;
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// TF32: 10 bits of fraction, rounded to nearest, ties away from zero.
inline float float_to_tf32(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7f800000) == 0x7f800000) return canonical(value);
  return std::bit_cast<float>((bits + 0x1000) & ~0x1fffU);
}

// a·b + c so that one more rounding, to 16 bits, is as if the sum had been exact: the last bit is
// set when anything was lost.
inline double odd_fma(double a, double b, double c) {
  const double product = a * b;  // exact: at most 22 bits
  const double sum = product + c;
  if (!std::isfinite(sum)) return sum;
  const double other = sum - product;
  const double error = (product - (sum - other)) + (c - other);
  if (error == 0) return sum;
  const uint64_t bits = std::bit_cast<uint64_t>(sum);
  if ((bits & 1) != 0) return sum;
  return (error > 0) == (sum > 0) ? std::bit_cast<double>(bits + 1)
                                  : std::bit_cast<double>(bits - 1);
}

}  // namespace nampemu
