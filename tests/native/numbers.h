// Number formats by arithmetic in double, and values that a test can reproduce. Nothing here uses
// the library's own conversions: an oracle that shares code with what it checks proves nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "nativeamp.h"

namespace namp_test {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline constexpr int32_t kFloats[] = {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16};

inline int64_t element_size(int32_t dtype) {
  return dtype == NAMP_FLOAT32 || dtype == NAMP_INT32 ? 4 : dtype == NAMP_UINT8 ? 1 : 2;
}

// What one rounding to this dtype may cost, relatively, on top of what float32 arithmetic costs.
inline double tolerance(int32_t dtype) {
  return dtype == NAMP_FLOAT16 ? 0x1p-10 : dtype == NAMP_BFLOAT16 ? 0x1p-7 : 1e-5;
}

// A format of floating-point numbers: bits of the fraction, and the exponent of the smallest normal
// number.
struct Format {
  int fraction;
  int minimum_exponent;
  int exponent_ones;  // the exponent field of infinity
};

inline Format format_of(int32_t dtype) {
  if (dtype == NAMP_FLOAT16) return {10, -14, 31};
  if (dtype == NAMP_BFLOAT16) return {7, -126, 255};
  return {23, -126, 255};
}

// The number that bits stand for.
inline double decode(uint32_t bits, int32_t dtype) {
  if (dtype == NAMP_UINT8) return bits;
  if (dtype == NAMP_INT32) return static_cast<int32_t>(bits);
  if (dtype == NAMP_FLOAT32) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    return static_cast<double>(x);
  }
  const Format f = format_of(dtype);
  const auto sign_bit = static_cast<uint32_t>(element_size(dtype) * 8 - 1);
  const double sign = (bits >> sign_bit) != 0 ? -1.0 : 1.0;
  const int exponent = static_cast<int>(bits >> f.fraction) & f.exponent_ones;
  const double fraction = bits & ((1u << f.fraction) - 1u);
  if (exponent == f.exponent_ones) return fraction != 0 ? kNaN : sign * kInfinity;
  const double one = std::ldexp(1.0, f.fraction);
  if (exponent == 0) return sign * std::ldexp(fraction, f.minimum_exponent - f.fraction);
  return sign * std::ldexp(one + fraction, exponent - 1 + f.minimum_exponent - f.fraction);
}

// The nearest number's bits, ties to even; a NaN without a payload.
inline uint32_t encode(double x, int32_t dtype) {
  if (dtype == NAMP_UINT8) return static_cast<uint8_t>(x);
  if (dtype == NAMP_INT32) return static_cast<uint32_t>(static_cast<int32_t>(x));
  const Format f = format_of(dtype);
  const uint32_t sign = (std::signbit(x) ? 1u : 0u) << (element_size(dtype) * 8 - 1);
  const uint32_t infinity = static_cast<uint32_t>(f.exponent_ones) << f.fraction;
  const double a = std::fabs(x);
  if (a == 0) return sign;
  if (std::isinf(a)) return sign | infinity;
  if (std::isnan(a)) return sign | infinity | 1u << (f.fraction - 1);
  const int exponent = std::max(std::ilogb(a), f.minimum_exponent);
  const double units = std::nearbyint(std::ldexp(a, f.fraction - exponent));
  // Counting on from the number of units carries into the exponent by itself.
  const double from_normal =
      units + std::ldexp(static_cast<double>(exponent - f.minimum_exponent), f.fraction);
  return sign | std::min(static_cast<uint32_t>(from_normal), infinity);
}

// The bits of a float32 NaN, made quiet and cut to a dtype.
inline uint32_t encode_nan(uint32_t bits, int32_t dtype) {
  if (dtype == NAMP_FLOAT32) return bits;
  if (dtype == NAMP_BFLOAT16) return (bits >> 16) | 0x40u;
  return ((bits >> 16) & 0x8000u) | 0x7e00u | ((bits >> 13) & 0x3ffu);
}

inline double rounded(double value, int32_t dtype) { return decode(encode(value, dtype), dtype); }

inline uint32_t float_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

// Bell-shaped, and the same on every standard library.
inline std::vector<double> random_values(int64_t count, uint32_t seed, double scale = 1.0,
                                         double shift = 0.0) {
  std::mt19937 generator(seed);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) {
    double sum = -2.0;
    for (int i = 0; i < 4; ++i)
      sum += static_cast<double>(generator()) / 4294967296.0;
    value = sum * 1.7 * scale + shift;
  }
  return values;
}

// Evenly between two bounds.
inline std::vector<double> uniform_values(int64_t count, uint32_t seed, double low, double high) {
  std::mt19937 generator(seed);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values)
    value = low + (high - low) * (static_cast<double>(generator()) / 4294967296.0);
  return values;
}

}  // namespace namp_test
