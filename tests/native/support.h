// What the native tests share: devices on every SIMD target, buffers with canaries, and number
// formats by arithmetic in double, which share nothing with the library.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "nativeamp.h"

namespace test {

// A CPU device, closed at the end (which fails the test if something is left alive).
class Device {
 public:
  Device() { EXPECT_EQ(namp_device_open(&handle_, NAMP_DEVICE_CPU, 0), NAMP_OK); }
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device() { EXPECT_EQ(namp_device_close(handle_), NAMP_OK) << namp_last_error_message(); }

  operator namp_device*() const { return handle_; }

  void use(int32_t simd, int32_t threads) {
    ASSERT_EQ(namp_device_set_simd(handle_, simd), NAMP_OK);
    ASSERT_EQ(namp_device_set_threads(handle_, threads), NAMP_OK);
  }

  // The SIMD targets of this machine.
  std::vector<int32_t> targets() {
    std::vector<int32_t> found;
    for (int32_t simd = NAMP_SIMD_BASELINE; simd <= NAMP_SIMD_AVX512; ++simd) {
      if (namp_device_set_simd(handle_, simd) == NAMP_OK) found.push_back(simd);
    }
    return found;
  }

 private:
  namp_device* handle_ = nullptr;
};

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

inline int64_t size_of(int32_t dtype) { return dtype == NAMP_FLOAT32 ? 4 : 2; }

// The number that bits stand for.
inline double decode(uint32_t bits, int32_t dtype) {
  const Format f = format_of(dtype);
  const auto sign_bit = static_cast<uint32_t>(size_of(dtype) * 8 - 1);
  const double sign = (bits >> sign_bit) != 0 ? -1.0 : 1.0;
  const int exponent = static_cast<int>(bits >> f.fraction) & f.exponent_ones;
  const double fraction = bits & ((1u << f.fraction) - 1u);
  if (exponent == f.exponent_ones) return fraction != 0 ? std::nan("") : sign * INFINITY;
  const double one = std::ldexp(1.0, f.fraction);
  if (exponent == 0) return sign * std::ldexp(fraction, f.minimum_exponent - f.fraction);
  return sign * std::ldexp(one + fraction, exponent - 1 + f.minimum_exponent - f.fraction);
}

// The nearest number's bits, ties to even; not for NaN.
inline uint32_t encode(double x, int32_t dtype) {
  const Format f = format_of(dtype);
  const uint32_t sign = (std::signbit(x) ? 1u : 0u) << (size_of(dtype) * 8 - 1);
  const uint32_t infinity = static_cast<uint32_t>(f.exponent_ones) << f.fraction;
  const double a = std::fabs(x);
  if (a == 0) return sign;
  if (std::isinf(a)) return sign | infinity;
  const int exponent = std::max(std::ilogb(a), f.minimum_exponent);
  const double units = std::nearbyint(std::ldexp(a, f.fraction - exponent));
  // Counting on from the number of units carries into the exponent by itself.
  const double from_normal =
      units + std::ldexp(static_cast<double>(exponent - f.minimum_exponent), f.fraction);
  return sign | std::min(static_cast<uint32_t>(from_normal), infinity);
}

// The bits of a NaN, made quiet and cut.
inline uint32_t encode_nan(uint32_t bits, int32_t dtype) {
  if (dtype == NAMP_FLOAT32) return bits;
  if (dtype == NAMP_BFLOAT16) return (bits >> 16) | 0x40u;
  return ((bits >> 16) & 0x8000u) | 0x7e00u | ((bits >> 13) & 0x3ffu);
}

inline uint32_t float_bits(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

inline float float_from(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

// count elements of a dtype, first a number of elements past a 64-byte boundary, with canaries on
// both sides.
class Buffer {
 public:
  Buffer(int64_t count, int32_t dtype, int64_t misalignment = 0)
      : count_(count),
        dtype_(dtype),
        storage_(static_cast<size_t>(count * size_of(dtype)) + 4 * kMargin, kCanary) {
    auto address = reinterpret_cast<uintptr_t>(storage_.data());
    offset_ = static_cast<size_t>((64 - address % 64) % 64 + kMargin) +
              static_cast<size_t>(misalignment * size_of(dtype));
  }

  void* data() { return storage_.data() + offset_; }
  float* floats() { return static_cast<float*>(data()); }
  int64_t count() const { return count_; }
  int32_t dtype() const { return dtype_; }

  uint32_t bits(int64_t i) const {
    uint32_t value = 0;
    std::memcpy(&value, at(i), static_cast<size_t>(size_of(dtype_)));
    return value;
  }
  void set_bits(int64_t i, uint32_t value) {
    std::memcpy(const_cast<unsigned char*>(at(i)), &value, static_cast<size_t>(size_of(dtype_)));
  }
  double get(int64_t i) const { return decode(bits(i), dtype_); }
  void set(int64_t i, double x) { set_bits(i, encode(x, dtype_)); }

  void fill_random(uint32_t seed, double low, double high) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> draw(low, high);
    for (int64_t i = 0; i < count_; ++i)
      set(i, draw(engine));
  }

  std::vector<unsigned char> bytes() const {
    const auto* first = storage_.data() + offset_;
    return {first, first + count_ * size_of(dtype_)};
  }

  // Whether nothing outside was written.
  bool intact() const {
    const size_t end = offset_ + static_cast<size_t>(count_ * size_of(dtype_));
    for (size_t i = 0; i < storage_.size(); ++i) {
      if ((i < offset_ || i >= end) && storage_[i] != kCanary) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kMargin = 128;
  static constexpr unsigned char kCanary = 0xA5;

  const unsigned char* at(int64_t i) const {
    return storage_.data() + offset_ + static_cast<size_t>(i * size_of(dtype_));
  }

  int64_t count_;
  int32_t dtype_;
  std::vector<unsigned char> storage_;
  size_t offset_;
};

inline namp_cell cell(Buffer& buffer) { return {buffer.data(), buffer.dtype(), 0}; }

// A table of tensors, each a row of cells.
class Table {
 public:
  Table(namp_device* device, const std::vector<int64_t>& counts,
        const std::vector<std::vector<namp_cell>>& rows, const std::vector<int32_t>& groups = {}) {
    std::vector<namp_cell> cells;
    for (const auto& row : rows)
      cells.insert(cells.end(), row.begin(), row.end());
    namp_table_description description{};
    description.struct_size = sizeof(description);
    description.column_count = rows.empty() ? 1 : static_cast<int32_t>(rows[0].size());
    description.tensor_count = static_cast<int64_t>(counts.size());
    description.counts = counts.data();
    description.cells = cells.data();
    description.groups = groups.empty() ? nullptr : groups.data();
    EXPECT_EQ(namp_table_create(&handle_, device, &description), NAMP_OK)
        << namp_last_error_message();
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  ~Table() { EXPECT_EQ(namp_table_destroy(handle_), NAMP_OK); }

  operator namp_table*() const { return handle_; }

  const namp_overflow_facts& facts(int64_t tensor) const {
    namp_overflow_facts* facts = nullptr;
    EXPECT_EQ(namp_table_get_facts(&facts, handle_), NAMP_OK);
    return facts[tensor];
  }

 private:
  namp_table* handle_ = nullptr;
};

inline constexpr int32_t kDtypes[] = {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16};
inline constexpr int64_t kChunk = 16384;

// 0 to 67, and around the borders of chunks.
inline std::vector<int64_t> lengths() {
  std::vector<int64_t> all;
  for (int64_t n = 0; n <= 67; ++n)
    all.push_back(n);
  for (int64_t n : {kChunk - 1, kChunk, kChunk + 1, 2 * kChunk + 17, 5 * kChunk})
    all.push_back(n);
  return all;
}

}  // namespace test
