// What the tests of products, convolutions, attention and pools share: each runs with oneDNN (where
// the build has it) and without, on every SIMD target, on one and on three threads; the same call
// twice gives the same bits.
#pragma once

#include <cstdlib>

#include "operator_fixture.h"

namespace namp_test {

class MatrixTest : public OperatorTest {
 protected:
  void SetUp() override {
    OperatorTest::SetUp();
    set_environment("0");
    ASSERT_EQ(namp_device_open(&loops_, NAMP_DEVICE_CPU, 0), NAMP_OK);
    set_environment("");
  }

  void TearDown() override {
    EXPECT_EQ(namp_device_close(loops_), NAMP_OK) << namp_last_error_message();
    OperatorTest::TearDown();
  }

  // check() compares the outputs with what they should be, however they were computed.
  void run_each(const std::function<int32_t(namp_device*)>& call,
                const std::vector<Buffer*>& outputs, const std::function<void()>& check) {
    for (namp_device* device : {device_, loops_}) {
      for (int32_t simd : targets_) {
        // oneDNN does not know our targets; our own loops around it do.
        if (device == device_ && simd != targets_.back()) continue;
        for (int32_t threads : {1, 3}) {
          SCOPED_TRACE(std::string(device == device_ ? "library" : "loops") + ", SIMD " +
                       std::to_string(simd) + ", threads " + std::to_string(threads));
          ASSERT_EQ(namp_device_set_simd(device, simd), NAMP_OK);
          ASSERT_EQ(namp_device_set_threads(device, threads), NAMP_OK);
          std::vector<std::vector<uint8_t>> first;
          for (int run = 0; run < 2; ++run) {
            for (Buffer* output : outputs)
              output->restore();
            ASSERT_EQ(call(device), NAMP_OK) << namp_last_error_message();
            for (size_t i = 0; i < outputs.size(); ++i) {
              ASSERT_TRUE(outputs[i]->intact()) << "output " << i;
              if (run == 0) first.push_back(outputs[i]->bytes());
              ASSERT_EQ(first[i], outputs[i]->bytes()) << "output " << i << " of a second run";
            }
          }
          check();
          if (HasFailure()) return;
        }
      }
    }
  }

  // magnitude is the sum of the absolute values of what was summed: float32 sums in any order stay
  // within a part of it.
  static void expect_sum(double actual, double expected, double magnitude, int32_t dtype,
                         const std::string& what) {
    const double allowed = 2e-6 * magnitude + tolerance(dtype) * std::abs(expected) + 1e-7;
    ASSERT_LE(std::abs(actual - expected), allowed)
        << what << " is " << actual << ", expected " << expected;
  }

  namp_device* loops_ = nullptr;

 private:
  static void set_environment(const char* value) {
#if defined(_WIN32)
    _putenv_s("NATIVEAMP_ONEDNN", value);
#else
    setenv("NATIVEAMP_ONEDNN", value, 1);
#endif
  }
};

}  // namespace namp_test
