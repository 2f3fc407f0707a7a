// Shared code of the tests of the CUDA backend: the same call on the CPU and on a GPU, with outputs
// compared bit by bit. The backends' own tests check that they are right.
#pragma once

#include <memory>

#include "backend_test.h"

namespace namp_test {

// The same tensor on both devices, at the same alignment.
class Twin {
 public:
  Twin(Device& cpu, Device& gpu, int32_t dtype, int64_t count, int64_t shift)
      : cpu_(cpu, dtype, count, shift), gpu_(gpu, dtype, count, shift) {}

  Buffer& on(bool gpu) { return gpu ? gpu_ : cpu_; }
  int64_t size() const { return cpu_.size(); }

  // Values in [-2, 2].
  Twin& random(uint32_t seed) { return set(uniform_values(size(), seed, -2, 2)); }
  // Any bits at all.
  Twin& random_bits(uint32_t seed) {
    std::mt19937 draw(seed);
    for (int64_t i = 0; i < size(); ++i) {
      const auto word = static_cast<uint32_t>(draw());
      cpu_.set_bits(i, word);
      gpu_.set_bits(i, word);
    }
    return *this;
  }
  Twin& set(const std::vector<double>& values) {
    cpu_.set(values);
    gpu_.set(values);
    return *this;
  }
  template <class T>
  Twin& set_struct(const T& value) {
    cpu_.set_bytes(&value);
    gpu_.set_bytes(&value);
    return *this;
  }

  // The CPU's.
  template <class T>
  T get(size_t index = 0) const {
    const std::vector<uint8_t> bytes = cpu_.bytes();
    T value;
    std::memcpy(&value, &bytes.at(index * sizeof(T)), sizeof(T));
    return value;
  }

  void expect_same_bits(const std::string& what) {
    ASSERT_TRUE(cpu_.intact() && gpu_.intact()) << what << ": written outside";
    if (cpu_.bytes() == gpu_.bytes()) return;
    for (int64_t i = 0; i < size(); ++i)
      ASSERT_EQ(cpu_.bits(i), gpu_.bits(i)) << what << ": element " << i;
  }
  // The same but for the payloads of NaNs.
  void expect_same_numbers(const std::string& what) {
    for (int64_t i = 0; i < size(); ++i) {
      if (std::isnan(cpu_[i])) {
        ASSERT_TRUE(std::isnan(gpu_[i])) << what << ": element " << i;
      } else {
        ASSERT_EQ(cpu_.bits(i), gpu_.bits(i)) << what << ": element " << i;
      }
    }
  }

 private:
  Buffer cpu_;
  Buffer gpu_;
};

class TwoDevices : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Device::count(Where::kGpu) == 0) GTEST_SKIP() << namp_last_error_message();
    cpu_.open(Where::kCpu);
    gpu_.open(Where::kGpu);
  }

  void TearDown() override {
    twins_.clear();
    if (gpu_.handle() != nullptr) {
      cpu_.close();
      gpu_.close();
    }
    expect_no_findings();
  }

  Twin& twin(int32_t dtype, int64_t count, int64_t shift = 0) {
    twins_.push_back(std::make_unique<Twin>(cpu_, gpu_, dtype, count, shift));
    return *twins_.back();
  }
  void forget() { twins_.clear(); }

  // Makes the call on the CPU (false) and on the GPU (true).
  void run(const std::function<int32_t(Device&, bool)>& call) {
    ASSERT_EQ(call(cpu_, false), NAMP_OK) << namp_last_error_message();
    ASSERT_EQ(call(gpu_, true), NAMP_OK) << namp_last_error_message();
  }

  Device cpu_;
  Device gpu_;

 private:
  std::vector<std::unique_ptr<Twin>> twins_;
};

}  // namespace namp_test
