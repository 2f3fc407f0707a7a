// What the tests of the operators share: buffers between canaries, and one call run on every SIMD
// target and several thread counts.
//
// Nothing here uses the library's own conversions: an oracle that shares code with what it checks
// proves nothing.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <random>
#include <string>
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

// The nearest value of a binary format (ties to even), by arithmetic on doubles.
inline double round_to(double value, int precision, int lowest_exponent, double largest) {
  if (!std::isfinite(value) || value == 0) return value;
  const int exponent = std::max(std::ilogb(value), lowest_exponent);
  const double unit = std::ldexp(1.0, exponent - precision + 1);
  const double rounded = std::nearbyint(value / unit) * unit;
  return std::abs(rounded) > largest ? std::copysign(kInfinity, value) : rounded;
}

inline double rounded(double value, int32_t dtype) {
  if (dtype == NAMP_FLOAT16) return round_to(value, 11, -14, 65504.0);
  if (dtype == NAMP_BFLOAT16) return round_to(value, 8, -126, 0x1.FEp127);
  return static_cast<double>(static_cast<float>(value));
}

// Elements between two guards of canary bytes, starting `shift` elements after a 64-byte border.
class Buffer {
 public:
  Buffer(int32_t dtype, int64_t count, int64_t shift = 0)
      : dtype_(dtype),
        count_(count),
        bytes_(static_cast<size_t>(count * element_size(dtype))),
        memory_(bytes_ + 3 * kGuard + 64, kCanary) {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    begin_ = kGuard + (64 - address % 64) % 64 + static_cast<size_t>(shift * element_size(dtype));
    snapshot();
  }

  Buffer(int32_t dtype, const std::vector<double>& values, int64_t shift = 0)
      : Buffer(dtype, static_cast<int64_t>(values.size()), shift) {
    for (int64_t i = 0; i < count_; ++i)
      set(i, values[static_cast<size_t>(i)]);
    snapshot();
  }

  void* data() { return memory_.data() + begin_; }
  float* floats() { return reinterpret_cast<float*>(data()); }
  int32_t* ints() { return reinterpret_cast<int32_t*>(data()); }
  int64_t size() const { return count_; }
  int32_t dtype() const { return dtype_; }

  double operator[](int64_t i) const {
    const uint8_t* p = memory_.data() + begin_ + i * element_size(dtype_);
    if (dtype_ == NAMP_UINT8) return *p;
    if (element_size(dtype_) == 4) {
      float f;
      int32_t n;
      std::memcpy(&f, p, 4);
      std::memcpy(&n, p, 4);
      return dtype_ == NAMP_INT32 ? n : static_cast<double>(f);
    }
    uint16_t h;
    std::memcpy(&h, p, 2);
    const int fraction_bits = dtype_ == NAMP_FLOAT16 ? 10 : 7;
    const int bias = dtype_ == NAMP_FLOAT16 ? 15 : 127;
    const int exponent = (h & 0x7FFF) >> fraction_bits;
    const int fraction = h & ((1 << fraction_bits) - 1);
    double magnitude;
    if (exponent == 2 * bias + 1) {
      magnitude = fraction != 0 ? kNaN : kInfinity;
    } else if (exponent == 0) {
      magnitude = std::ldexp(fraction, 1 - bias - fraction_bits);
    } else {
      magnitude = std::ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
    }
    return h >> 15 ? -magnitude : magnitude;
  }

  std::vector<double> values() const {
    std::vector<double> all(static_cast<size_t>(count_));
    for (int64_t i = 0; i < count_; ++i)
      all[static_cast<size_t>(i)] = (*this)[i];
    return all;
  }

  bool intact() const {
    const auto canary = [](uint8_t byte) { return byte == kCanary; };
    return std::all_of(memory_.begin(), memory_.begin() + static_cast<int64_t>(begin_), canary) &&
           std::all_of(memory_.begin() + static_cast<int64_t>(begin_ + bytes_), memory_.end(),
                       canary);
  }

  // Contents to come back to before each run.
  void snapshot() { initial_ = memory_; }
  void restore() { memory_ = initial_; }
  std::vector<uint8_t> bytes() const {
    const auto* p = memory_.data() + begin_;
    return {p, p + bytes_};
  }
  bool unchanged() const { return memory_ == initial_; }

 private:
  static constexpr size_t kGuard = 256;
  static constexpr uint8_t kCanary = 0xA5;

  void set(int64_t i, double value) {
    uint8_t* p = memory_.data() + begin_ + i * element_size(dtype_);
    if (dtype_ == NAMP_UINT8) {
      *p = static_cast<uint8_t>(value);
    } else if (dtype_ == NAMP_INT32) {
      const auto n = static_cast<int32_t>(value);
      std::memcpy(p, &n, 4);
    } else if (dtype_ == NAMP_FLOAT32) {
      const auto f = static_cast<float>(value);
      std::memcpy(p, &f, 4);
    } else {
      const auto h = half_bits(value);
      std::memcpy(p, &h, 2);
    }
  }

  uint16_t half_bits(double value) const {
    const int fraction_bits = dtype_ == NAMP_FLOAT16 ? 10 : 7;
    const int bias = dtype_ == NAMP_FLOAT16 ? 15 : 127;
    const int sign = std::signbit(value) ? 0x8000 : 0;
    const int infinity = (2 * bias + 1) << fraction_bits;
    if (std::isnan(value)) return static_cast<uint16_t>(sign | infinity | 1 << (fraction_bits - 1));
    const double magnitude = std::abs(rounded(value, dtype_));
    if (std::isinf(magnitude)) return static_cast<uint16_t>(sign | infinity);
    if (magnitude < std::ldexp(1.0, 1 - bias)) {
      return static_cast<uint16_t>(
          sign | static_cast<int>(std::ldexp(magnitude, bias - 1 + fraction_bits)));
    }
    const int exponent = std::ilogb(magnitude);
    const int fraction =
        static_cast<int>(std::ldexp(magnitude, fraction_bits - exponent)) - (1 << fraction_bits);
    return static_cast<uint16_t>(sign | (exponent + bias) << fraction_bits | fraction);
  }

  int32_t dtype_;
  int64_t count_;
  size_t bytes_;
  std::vector<uint8_t> memory_;
  std::vector<uint8_t> initial_;
  size_t begin_ = 0;
};

// Values that a test can reproduce.
inline std::vector<double> random_values(int64_t count, uint32_t seed, double scale = 1.0,
                                         double shift = 0.0) {
  std::mt19937 generator(seed);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) {
    // Sum of uniforms: bell-shaped, and the same on every standard library.
    double sum = -2.0;
    for (int i = 0; i < 4; ++i)
      sum += static_cast<double>(generator()) / 4294967296.0;
    value = sum * 1.7 * scale + shift;
  }
  return values;
}

class OperatorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(namp_device_open(&device_, NAMP_DEVICE_CPU, 0), NAMP_OK) << namp_last_error_message();
    for (int32_t simd : {NAMP_SIMD_BASELINE, NAMP_SIMD_AVX2, NAMP_SIMD_AVX512}) {
      if (namp_device_set_simd(device_, simd) == NAMP_OK) targets_.push_back(simd);
    }
    ASSERT_FALSE(targets_.empty());
    ASSERT_EQ(namp_device_set_simd(device_, NAMP_SIMD_BEST), NAMP_OK);
  }

  void TearDown() override {
    EXPECT_EQ(namp_device_close(device_), NAMP_OK) << namp_last_error_message();
  }

  // Runs the call on every SIMD target and on 1, 2 and 3 threads, each from the outputs' first
  // contents: canaries must survive, and all runs must give the same bits.
  void run_everywhere(const std::function<int32_t()>& call, const std::vector<Buffer*>& outputs) {
    std::vector<std::vector<uint8_t>> first;
    for (int32_t simd : targets_) {
      for (int32_t threads : {1, 2, 3}) {
        ASSERT_EQ(namp_device_set_simd(device_, simd), NAMP_OK);
        ASSERT_EQ(namp_device_set_threads(device_, threads), NAMP_OK);
        for (Buffer* output : outputs)
          output->restore();
        ASSERT_EQ(call(), NAMP_OK) << namp_last_error_message();
        for (size_t i = 0; i < outputs.size(); ++i) {
          ASSERT_TRUE(outputs[i]->intact()) << "output " << i << ", SIMD " << simd;
          if (first.size() < outputs.size()) {
            first.push_back(outputs[i]->bytes());
          } else {
            ASSERT_EQ(first[i], outputs[i]->bytes())
                << "output " << i << " differs on SIMD " << simd << ", " << threads << " threads";
          }
        }
      }
    }
  }

  // A call that must be refused with this status, a message, and nothing written.
  void expect_refused(int32_t status, int32_t result, const std::vector<Buffer*>& outputs = {}) {
    EXPECT_EQ(result, status) << namp_last_error_message();
    EXPECT_STRNE(namp_last_error_message(), "");
    for (const Buffer* output : outputs)
      EXPECT_TRUE(output->unchanged());
  }

  static void expect_close(const Buffer& actual, const std::vector<double>& expected,
                           double absolute, const std::string& what, double relative = 0) {
    ASSERT_EQ(actual.size(), static_cast<int64_t>(expected.size()));
    if (relative == 0) relative = tolerance(actual.dtype());
    for (int64_t i = 0; i < actual.size(); ++i) {
      const double e = expected[static_cast<size_t>(i)];
      const double a = actual[i];
      if (std::isnan(e)) {
        ASSERT_TRUE(std::isnan(a)) << what << ": element " << i << " is " << a << ", not NaN";
      } else if (std::isinf(e)) {
        ASSERT_EQ(a, e) << what << ": element " << i;
      } else {
        ASSERT_LE(std::abs(a - e), absolute + relative * std::abs(e))
            << what << ": element " << i << " is " << a << ", expected " << e;
      }
    }
  }

  namp_device* device_ = nullptr;
  std::vector<int32_t> targets_;
};

// An argument struct with its size set.
template <class Args>
Args make_args() {
  Args args{};
  args.struct_size = sizeof(Args);
  return args;
}

}  // namespace namp_test
