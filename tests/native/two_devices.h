// What the tests of the CUDA backend share: the CPU and a GPU side by side, the same call on both,
// and its outputs compared. The CPU's results have tests of their own, against plain arithmetic.
//
// The GPU is the emulated one, which also checks every access; NATIVEAMP_TEST_GPU=1 takes the
// machine's own.
#pragma once

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#if defined(NATIVEAMP_EMULATED_CUDA)
#include <dlfcn.h>
#endif

#include "nativeamp.h"

namespace namp_test {

inline constexpr int32_t kFloatTypes[] = {NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16};

inline int64_t bytes_of(int32_t dtype) {
  return dtype == NAMP_FLOAT32 || dtype == NAMP_INT32 ? 4 : dtype == NAMP_UINT8 ? 1 : 2;
}

// The same tensor on both devices, with canaries around it.
class Twin {
 public:
  static constexpr size_t kGuard = 256;
  static constexpr unsigned char kCanary = 0xA5;

  Twin(namp_device* gpu, int32_t dtype, int64_t count, int64_t shift = 0)
      : gpu_(gpu),
        dtype_(dtype),
        count_(count),
        begin_(kGuard + static_cast<size_t>(shift * bytes_of(dtype))),
        host_(begin_ + static_cast<size_t>(count * bytes_of(dtype)) + kGuard + 16, kCanary) {
    EXPECT_EQ(namp_memory_allocate(&device_, gpu, static_cast<int64_t>(host_.size()),
                                   NAMP_MEMORY_OTHER, nullptr),
              NAMP_OK)
        << namp_last_error_message();
    // The host's copy begins where the device's does, relative to 256 bytes.
    storage_.resize(host_.size() + 256, kCanary);
    const auto address = reinterpret_cast<uintptr_t>(storage_.data());
    base_ = storage_.data() + (256 - address % 256) % 256;
  }
  Twin(const Twin&) = delete;
  Twin& operator=(const Twin&) = delete;
  ~Twin() { EXPECT_EQ(namp_memory_free(gpu_, device_, nullptr), NAMP_OK); }

  void* on(bool gpu) {
    return gpu ? static_cast<unsigned char*>(device_) + begin_ : base_ + begin_;
  }
  template <class T>
  T* as(bool gpu) {
    return static_cast<T*>(on(gpu));
  }
  int64_t count() const { return count_; }

  // Values in [-2, 2] of the dtype, or any bits at all.
  Twin& random(uint32_t seed, bool any_bits = false) {
    std::mt19937 draw(seed);
    for (int64_t i = 0; i < count_; ++i) {
      const uint32_t word = draw();
      const float x = static_cast<float>(static_cast<int32_t>(word % 4001) - 2000) / 1000.0f;
      uint32_t bits = word;
      if (!any_bits) {
        std::memcpy(&bits, &x, 4);
        if (dtype_ == NAMP_BFLOAT16) bits >>= 16;
        if (dtype_ == NAMP_FLOAT16) {
          // Sixteenths between -2 and 2 are halves.
          bits = (word & 0x8000u) | (0x3000u + (word >> 16) % 0xc00u);
        }
      }
      std::memcpy(base_ + begin_ + i * bytes_of(dtype_), &bits,
                  static_cast<size_t>(bytes_of(dtype_)));
    }
    return *this;
  }
  template <class T>
  Twin& set(const std::vector<T>& values) {
    std::memcpy(base_ + begin_, values.data(), values.size() * sizeof(T));
    return *this;
  }
  Twin& zero() {
    std::memset(base_ + begin_, 0, static_cast<size_t>(count_ * bytes_of(dtype_)));
    return *this;
  }

  void upload() {
    ASSERT_EQ(namp_memory_copy(gpu_, device_, base_, static_cast<int64_t>(host_.size()),
                               NAMP_COPY_HOST_TO_DEVICE, nullptr),
              NAMP_OK)
        << namp_last_error_message();
  }
  void download() {
    ASSERT_EQ(namp_memory_copy(gpu_, host_.data(), device_, static_cast<int64_t>(host_.size()),
                               NAMP_COPY_DEVICE_TO_HOST, nullptr),
              NAMP_OK)
        << namp_last_error_message();
  }

  // The canaries of both, and every bit of the tensor.
  void expect_same_bits(const std::string& what) {
    ASSERT_EQ(std::memcmp(base_, host_.data(), begin_), 0) << what << ": written before";
    const size_t bytes = static_cast<size_t>(count_ * bytes_of(dtype_));
    for (size_t i = begin_ + bytes; i < host_.size(); ++i)
      ASSERT_EQ(host_[i], kCanary) << what << ": written behind";
    for (int64_t i = 0; i < count_; ++i)
      ASSERT_EQ(bits(base_, i), bits(host_.data(), i)) << what << ": element " << i;
  }

  void expect_close(double tolerance, const std::string& what) {
    for (int64_t i = 0; i < count_; ++i) {
      const double cpu = value(base_, i);
      const double gpu = value(host_.data(), i);
      if (std::isnan(cpu)) {
        ASSERT_TRUE(std::isnan(gpu)) << what << ": element " << i;
      } else if (std::isinf(cpu)) {
        ASSERT_EQ(cpu, gpu) << what << ": element " << i;
      } else {
        ASSERT_LE(std::abs(cpu - gpu), tolerance * (1 + std::abs(cpu)))
            << what << ": element " << i << " is " << cpu << " on the CPU, " << gpu;
      }
    }
  }

 private:
  uint32_t bits(const unsigned char* from, int64_t i) const {
    uint32_t word = 0;
    std::memcpy(&word, from + begin_ + i * bytes_of(dtype_), static_cast<size_t>(bytes_of(dtype_)));
    return word;
  }
  double value(const unsigned char* from, int64_t i) const {
    uint32_t word = bits(from, i);
    if (dtype_ == NAMP_INT32) return static_cast<int32_t>(word);
    if (dtype_ == NAMP_UINT8) return word;
    if (dtype_ == NAMP_FLOAT16) {
      const int exponent = word >> 10 & 31;
      const int fraction = word & 1023;
      const double sign = (word & 0x8000u) != 0 ? -1 : 1;
      if (exponent == 31) return fraction != 0 ? std::nan("") : sign * INFINITY;
      if (exponent == 0) return sign * std::ldexp(fraction, -24);
      return sign * std::ldexp(1024 + fraction, exponent - 25);
    }
    if (dtype_ == NAMP_BFLOAT16) word <<= 16;
    float x;
    std::memcpy(&x, &word, 4);
    return x;
  }

  namp_device* gpu_;
  int32_t dtype_;
  int64_t count_;
  size_t begin_;
  std::vector<unsigned char> host_;  // what came back from the device
  std::vector<unsigned char> storage_;
  unsigned char* base_ = nullptr;
  void* device_ = nullptr;
};

class TwoDevices : public ::testing::Test {
 protected:
  void SetUp() override {
#if defined(NATIVEAMP_EMULATED_CUDA)
    if (std::getenv("NATIVEAMP_TEST_GPU") == nullptr) {
      setenv("NATIVEAMP_CUDA_LIBRARY", NATIVEAMP_EMULATED_CUDA, 0);
      // A cuBLAS that the machine has would not find its driver.
      setenv("NATIVEAMP_CUBLAS_LIBRARY", "none", 0);
      emulator_ = dlopen(NATIVEAMP_EMULATED_CUDA, RTLD_NOW);
      if (emulator_ != nullptr) {
        findings_ = reinterpret_cast<size_t (*)()>(dlsym(emulator_, "nampemu_findings"));
        finding_ =
            reinterpret_cast<const char* (*)(size_t)>(dlsym(emulator_, "nampemu_finding_text"));
      }
    }
#endif
    ASSERT_EQ(namp_device_open(&cpu_, NAMP_DEVICE_CPU, 0), NAMP_OK);
    int32_t count = 0;
    ASSERT_EQ(namp_device_count(&count, NAMP_DEVICE_CUDA), NAMP_OK);
    if (count == 0) GTEST_SKIP() << namp_last_error_message();
    ASSERT_EQ(namp_device_open(&gpu_, NAMP_DEVICE_CUDA, 0), NAMP_OK) << namp_last_error_message();
  }

  void TearDown() override {
    twins_.clear();
    EXPECT_EQ(namp_device_close(cpu_), NAMP_OK);
    if (gpu_ != nullptr) {
      EXPECT_EQ(namp_device_close(gpu_), NAMP_OK) << namp_last_error_message();
    }
    if (findings_ != nullptr) {
      const size_t found = findings_();
      EXPECT_EQ(found, 0u);
      for (size_t i = 0; i < found && i < 5; ++i)
        ADD_FAILURE() << finding_(i);
    }
  }

  Twin& twin(int32_t dtype, int64_t count, int64_t shift = 0) {
    twins_.push_back(std::make_unique<Twin>(gpu_, dtype, count, shift));
    return *twins_.back();
  }
  void forget() { twins_.clear(); }

  // Uploads every twin, makes the call on the CPU (false) and on the GPU (true), and downloads.
  void run(const std::function<int32_t(namp_device*, bool)>& call) {
    for (auto& each : twins_)
      each->upload();
    ASSERT_EQ(call(cpu_, false), NAMP_OK) << namp_last_error_message();
    ASSERT_EQ(call(gpu_, true), NAMP_OK) << namp_last_error_message();
    for (auto& each : twins_)
      each->download();
  }

  namp_device* cpu_ = nullptr;
  namp_device* gpu_ = nullptr;
  void* emulator_ = nullptr;  // null on a real GPU

 private:
  std::vector<std::unique_ptr<Twin>> twins_;
  size_t (*findings_)() = nullptr;
  const char* (*finding_)(size_t) = nullptr;
};

template <class Args>
Args sized() {
  Args args{};
  args.struct_size = sizeof(Args);
  return args;
}

// Of one rounding to a dtype, and of sums in another order.
inline double tolerance_of(int32_t dtype) {
  return dtype == NAMP_FLOAT16 ? 0x1p-9 : dtype == NAMP_BFLOAT16 ? 0x1p-6 : 2e-5;
}

}  // namespace namp_test
