// Number formats by arithmetic in double, and reproducible values. Nothing here uses the library's
// own conversions: an oracle that shares code with the tested code proves nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "elements.h"
#include "nativeamp.h"

namespace namp_test {

inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline constexpr int32_t kFloats[] = {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16};
// The dtypes that a cast takes, and those that it can round to.
inline constexpr int32_t kStoredFloats[] = {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16,
                                            NAMP_FLOAT8_E4M3, NAMP_FLOAT8_E5M2};
inline constexpr int32_t kNarrowFloats[] = {NAMP_FLOAT16, NAMP_BFLOAT16, NAMP_FLOAT8_E4M3,
                                            NAMP_FLOAT8_E5M2};
inline constexpr int32_t kByteFloats[] = {NAMP_FLOAT8_E4M3, NAMP_FLOAT8_E5M2};

// a * b + c, rounded once, by arithmetic in binary128: the product is exact there, and so is its sum
// with any c that is not 2^65 times smaller or larger. (MinGW-w64's std::fma rounds every part.)
#if defined(__SIZEOF_FLOAT128__)
__extension__ typedef __float128 Binary128;
#else
using Binary128 = long double;
static_assert(std::numeric_limits<long double>::digits == 113);
#endif
inline float multiplied_and_added(float a, float b, float c) {
  return static_cast<float>(static_cast<Binary128>(a) * b + c);
}

// The relative error of one rounding to this dtype, added to that of float32 arithmetic.
inline double tolerance(int32_t dtype) {
  return dtype == NAMP_FLOAT16 ? 0x1p-10 : dtype == NAMP_BFLOAT16 ? 0x1p-7 : 1e-5;
}

// A format of floating-point numbers: bits of the fraction, the exponent of the smallest normal
// number, and the code after the largest finite one, without its sign: infinity's, or the only
// NaN's.
struct Format {
  int fraction;
  int minimum_exponent;
  uint32_t overflow;
  bool has_infinity = true;
};

inline Format format_of(int32_t dtype) {
  if (dtype == NAMP_FLOAT16) return {10, -14, 0x7c00};
  if (dtype == NAMP_BFLOAT16) return {7, -126, 0x7f80};
  if (dtype == NAMP_FLOAT8_E4M3) return {3, -6, 0x7f, false};
  if (dtype == NAMP_FLOAT8_E5M2) return {2, -14, 0x7c};
  return {23, -126, 0x7f800000};
}

// The value of a code without a sign as if nothing were infinite or NaN.
inline double magnitude_of(uint32_t code, const Format& f) {
  const auto exponent = static_cast<int>(code >> f.fraction);
  const double fraction = code & ((1u << f.fraction) - 1u);
  if (exponent == 0) return std::ldexp(fraction, f.minimum_exponent - f.fraction);
  return std::ldexp(std::ldexp(1.0, f.fraction) + fraction,
                    exponent - 1 + f.minimum_exponent - f.fraction);
}

// The value of bits.
inline double decode_by_arithmetic(uint32_t bits, int32_t dtype) {
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
  const uint32_t code = bits & ((1u << sign_bit) - 1u);
  if (code < f.overflow) return sign * magnitude_of(code, f);
  return code == f.overflow && f.has_infinity ? sign * kInfinity : kNaN;
}

// The same; looked up where a dtype has few codes.
inline double decode(uint32_t bits, int32_t dtype) {
  if (element_size(dtype) > 2) return decode_by_arithmetic(bits, dtype);
  thread_local std::map<int32_t, std::vector<double>> known;
  std::vector<double>& all = known[dtype];
  if (all.empty()) {
    for (uint32_t code = 0; code < 1u << (element_size(dtype) * 8); ++code)
      all.push_back(decode_by_arithmetic(code, dtype));
  }
  return all.at(bits);
}

// The bits of a NaN of a format without a payload.
inline uint32_t nan_of(const Format& f) {
  return f.has_infinity ? f.overflow | 1u << (f.fraction - 1) : f.overflow;
}

// The nearest number's bits, ties to even; a NaN without a payload.
inline uint32_t encode(double x, int32_t dtype) {
  if (dtype == NAMP_UINT8) return static_cast<uint8_t>(x);
  if (dtype == NAMP_INT32) return static_cast<uint32_t>(static_cast<int32_t>(x));
  const Format f = format_of(dtype);
  const uint32_t sign = (std::signbit(x) ? 1u : 0u) << (element_size(dtype) * 8 - 1);
  const double a = std::fabs(x);
  if (a == 0) return sign;
  if (std::isinf(a)) return sign | f.overflow;
  if (std::isnan(a)) return sign | nan_of(f);
  const int exponent = std::max(std::ilogb(a), f.minimum_exponent);
  const double units = std::nearbyint(std::ldexp(a, f.fraction - exponent));
  // The number of units carries into the exponent by itself.
  const double from_normal =
      units + std::ldexp(static_cast<double>(exponent - f.minimum_exponent), f.fraction);
  return sign | static_cast<uint32_t>(std::min(from_normal, static_cast<double>(f.overflow)));
}

// The bits of a float32 NaN, made quiet and cut to a dtype.
inline uint32_t encode_nan(uint32_t bits, int32_t dtype) {
  if (dtype == NAMP_FLOAT32) return bits;
  const Format f = format_of(dtype);
  const uint32_t sign = bits >> 31 << (element_size(dtype) * 8 - 1);
  if (!f.has_infinity) return sign | nan_of(f);
  return sign | nan_of(f) | ((bits & 0x7fffffu) >> (23 - f.fraction));
}

// The float32 NaN of a NaN's code, made quiet.
inline uint32_t decode_nan(uint32_t bits, int32_t dtype) {
  const Format f = format_of(dtype);
  const uint32_t sign = bits >> (element_size(dtype) * 8 - 1) << 31;
  const uint32_t payload = f.has_infinity ? bits & ((1u << f.fraction) - 1u) : 0u;
  return sign | 0x7fc00000u | payload << (23 - f.fraction);
}

inline double rounded(double value, int32_t dtype) { return decode(encode(value, dtype), dtype); }

inline uint32_t float_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

// Bell-shaped values, the same with every standard library.
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

// Uniform values between two bounds.
inline std::vector<double> uniform_values(int64_t count, uint32_t seed, double low, double high) {
  std::mt19937 generator(seed);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values)
    value = low + (high - low) * (static_cast<double>(generator()) / 4294967296.0);
  return values;
}

}  // namespace namp_test
