// Shared code of the tests of products and convolutions. On the CPU they run with oneDNN (if the
// build has it) and without. The same call twice gives the same bits, on a given number of threads.
#pragma once

#include <cstdlib>

#include "backend_test.h"

namespace namp_test {

class MatrixTest : public BackendTest {
 protected:
  void SetUp() override {
    BackendTest::SetUp();
    if (device_.handle() == nullptr || device_.is_gpu()) return;
    set_environment("NATIVEAMP_ONEDNN", "0");
    loops_.open(Where::kCpu);
    set_environment("NATIVEAMP_ONEDNN", "");
  }

  void TearDown() override {
    if (loops_.handle() != nullptr) loops_.close();
    BackendTest::TearDown();
  }

  // check() compares the outputs with the expected ones, for each way of computing them.
  void run_each(const std::function<int32_t(namp_device*)>& call,
                const std::vector<Buffer*>& outputs, const std::function<void()>& check) {
    std::vector<Device*> devices{&device_};
    if (loops_.handle() != nullptr) devices.push_back(&loops_);
    run_on(devices, call, outputs, [&](int32_t) { check(); });
  }

  // The same for our own loops on the CPU: check(simd).
  void run_each_loop(const std::function<int32_t(namp_device*)>& call,
                     const std::vector<Buffer*>& outputs,
                     const std::function<void(int32_t)>& check) {
    run_on({&loops_}, call, outputs, check);
  }

  static void set_environment(const char* name, const char* value) {
#if defined(_WIN32)
    _putenv_s(name, value);
#else
    setenv(name, value, 1);
#endif
  }

  // magnitude is the sum of the absolute values of the terms: the error of a float32 sum in any
  // order is below a fraction of it. on_the_way is a part of the sum that may be rounded to the dtype
  // before the rest is added to it. what() is a text that is made where the test fails.
  template <class What>
  static void expect_sum(double actual, double expected, double magnitude, int32_t dtype,
                         const What& what, double on_the_way = 0.0) {
    const double allowed = 2e-6 * magnitude +
                           tolerance(dtype) * (std::abs(expected) + std::abs(on_the_way) / 2) +
                           1e-7;
    ASSERT_LE(std::abs(actual - expected), allowed)
        << what() << " is " << actual << ", expected " << expected;
  }

 private:
  void run_on(const std::vector<Device*>& devices, const std::function<int32_t(namp_device*)>& call,
              const std::vector<Buffer*>& outputs, const std::function<void(int32_t)>& check) {
    for (Device* device : devices) {
      std::vector<std::vector<uint8_t>> first;
      for (const Setting& setting : device->settings({1, 3}, true)) {
        // oneDNN does not depend on our targets; our own loops around it do.
        if (!device->is_gpu() && device == &device_ && setting.simd != device->best()) continue;
        SCOPED_TRACE(testing::Message()
                     << (device == &device_ ? "library" : "loops") << ", " << setting);
        device->use(setting);
        if (!device->is_gpu()) first.clear();
        for (int run = 0; run < (device->is_gpu() ? 1 : 2); ++run)
          run_once(
              [&] {
                device_.hand_over();  // the memory is always this device's
                return call(*device);
              },
              outputs, setting, first);
        check(setting.simd);
        if (HasFailure()) return;
      }
    }
  }

  Device loops_;
};

// Tests of our own products. A machine's own cuBLAS would make them, and bias and activation after a
// rounding.
template <class Test>
class WithoutCublas : public Test {
 protected:
  void SetUp() override {
    const char* chosen = std::getenv(kVariable);
    const std::string before = chosen != nullptr ? chosen : "";
    Test::set_environment(kVariable, "none");
    Test::SetUp();
    Test::set_environment(kVariable, before.c_str());
  }

 private:
  static constexpr const char* kVariable = "NATIVEAMP_CUBLAS_LIBRARY";
};

}  // namespace namp_test
