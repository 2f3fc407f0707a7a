// Shared code of the backends' tests: each test runs on every device, and makes a call with every
// setting of the device.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "buffer.h"
#include "elements.h"

namespace namp_test {

inline constexpr int64_t kChunk = 16384;  // of namp_table_create's elements

class BackendTest : public ::testing::TestWithParam<Where> {
 protected:
  void SetUp() override {
    if (Device::count(GetParam()) == 0) GTEST_SKIP() << namp_last_error_message();
    device_.open(GetParam());
  }

  void TearDown() override {
    if (device_.handle() != nullptr) device_.close();
    expect_no_findings();
  }

  // The emulated GPU under sanitizers: tests must then use small sizes.
  bool is_slow() const { return is_sanitized() && device_.is_emulated(); }

  // Lengths from first to last: all, or on a GPU those around powers of two.
  std::vector<int64_t> every(int64_t first, int64_t last) const {
    std::vector<int64_t> all;
    for (int64_t n = first; n <= last; ++n) {
      const bool power = (n & (n - 1)) == 0 || (n & (n + 1)) == 0 || ((n - 1) & (n - 2)) == 0;
      if (!device_.is_gpu() || n == first || n == last || (power && !is_slow())) all.push_back(n);
    }
    return all;
  }

  // 0 to 67, and around the borders of chunks. Under sanitizers not those of many chunks:
  // they make the same accesses as those of two.
  std::vector<int64_t> lengths() const {
    std::vector<int64_t> all = every(0, 67);
    if (device_.is_gpu()) {
      all.insert(all.end(), {kChunk - 1, kChunk, kChunk + 1});
    } else {
      all.insert(all.end(), {kChunk - 1, kChunk, kChunk + 1, 2 * kChunk + 17});
      if (!is_sanitized()) all.push_back(5 * kChunk);
    }
    return all;
  }

  // Makes the call with every setting, each time from the outputs' first contents: canaries must
  // survive, and all runs must give the same bits.
  void run_everywhere(const std::function<int32_t()>& call, const std::vector<Buffer*>& outputs) {
    std::vector<std::vector<uint8_t>> first;
    for (const Setting& setting : device_.settings({1, 2, 3})) {
      device_.use(setting);
      run_once(call, outputs, setting, first);
      if (HasFatalFailure()) return;
    }
  }

  void run_once(const std::function<int32_t()>& call, const std::vector<Buffer*>& outputs,
                const Setting& setting, std::vector<std::vector<uint8_t>>& first) {
    for (Buffer* output : outputs)
      output->restore();
    ASSERT_EQ(call(), NAMP_OK) << namp_last_error_message();
    for (size_t i = 0; i < outputs.size(); ++i) {
      ASSERT_TRUE(outputs[i]->intact()) << "output " << i << ", " << setting;
      if (first.size() <= i) first.push_back(outputs[i]->bytes());
      ASSERT_TRUE(outputs[i]->has(first[i])) << "output " << i << " differs, " << setting;
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

  Device device_;
};

// An argument struct with its size set.
template <class Args>
Args make_args() {
  Args args{};
  args.struct_size = sizeof(Args);
  return args;
}

// The state of a scaler that has just begun.
inline namp_scaler_state scaler_of(float scale) {
  namp_scaler_state scaler{};
  scaler.scale = scale;
  scaler.inverse_scale = static_cast<float>(1.0 / static_cast<double>(scale));
  return scaler;
}

// Runs a suite's tests on the CPU and on a GPU.
#define NAMP_ON_EVERY_DEVICE(suite)                                                     \
  INSTANTIATE_TEST_SUITE_P(Devices, suite, ::testing::Values(Where::kCpu, Where::kGpu), \
                           [](const ::testing::TestParamInfo<Where>& info) {            \
                             return info.param == Where::kCpu ? "cpu" : "gpu";          \
                           })

}  // namespace namp_test
