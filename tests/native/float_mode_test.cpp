// Results do not depend on the floating-point mode of the calling thread or of OpenMP's workers,
// and each mode is restored afterwards.
#include <gtest/gtest.h>

#include <cstdlib>

#include "cpu/openmp.h"
#include "device.h"
#include "every_operator.h"
#include "float_mode.h"

namespace namp_test {
namespace {

using namp::FloatControl;

struct Mode {
  const char* name;
  FloatControl::Bits bits;
};

std::vector<Mode> modes() {
#if defined(__x86_64__) || defined(_M_X64)
  return {{"flush to zero", 0x9f80},
          {"subnormals read as zero", 0x1fc0},
          {"both", 0x9fc0},
          {"rounding down", 0x3f80},
          {"rounding up", 0x5f80},
          {"rounding to zero", 0x7f80},
          {"traps on all exceptions", 0x0000}};
#elif defined(__aarch64__)
  return {{"flush to zero", 1u << 24},
          {"rounding up", 1u << 22},
          {"rounding down", 2u << 22},
          {"rounding to zero", 3u << 22}};
#else
  return {{"rounding up", FE_UPWARD}, {"rounding down", FE_DOWNWARD}};
#endif
}

constexpr int32_t kThreads = 3;

// In the process before oneDNN is opened, as in a program that has parallel regions of its own. It
// spins no longer than one that the library opens: three threads that wait on two processors would
// take most of the time of all tests in this process.
const namp::DynamicLibrary& gnu_openmp() {
#if !defined(_WIN32)
  setenv("GOMP_SPINCOUNT", "3000", 0);
#endif
  static std::string answer;
  static const namp::DynamicLibrary library("libgomp.so.1", namp::DynamicLibrary::How::kOpen,
                                            answer);
  return library;
}
[[maybe_unused]] const auto& loaded_first = gnu_openmp();

class FloatModeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    device_.open(Where::kCpu);
    use_threads(kThreads);
  }
  void TearDown() override { device_.close(); }

  void use_threads(int32_t count) {
    ASSERT_EQ(namp_device_set_threads(device_.handle(), count), NAMP_OK);
  }
  static void on_each(const namp::OpenMp& openmp, std::function<void()> body) {
    openmp.run(
        kThreads, [](void* context) { (*static_cast<std::function<void()>*>(context))(); }, &body);
  }
  Results run() { return run_every_operator(device_.handle(), 1, Extent::kMany); }

  Device device_;
};

TEST_F(FloatModeTest, OfTheCallerChangesNoResult) {
  for (const int32_t threads : {1, kThreads}) {
    use_threads(threads);
    const Results expected = run();
    for (const Mode& mode : modes()) {
      const FloatControl::Bits before = FloatControl::read();
      FloatControl::write(mode.bits);
      const Results actual = run();
      const FloatControl::Bits after = FloatControl::read();
      FloatControl::write(before);
      EXPECT_EQ(differences(expected, actual), "") << mode.name << ", threads " << threads;
      EXPECT_EQ(after, mode.bits) << mode.name << " was not restored";
    }
  }
}

TEST_F(FloatModeTest, OfWorkersChangesNoResult) {
  namp::OpenMp openmp;
  if (!gnu_openmp().is_open() || openmp.bind(gnu_openmp()) != "") GTEST_SKIP() << "no OpenMP here";
  const Results expected = run();
  for (const Mode& mode : modes()) {
    // The pool of this thread: the same workers that oneDNN gets.
    on_each(openmp, [&] {
      if (openmp.thread() != 0) FloatControl::write(mode.bits);
    });
    const Results actual = run();
    std::vector<FloatControl::Bits> after(kThreads, FloatControl::kDefault);
    on_each(openmp, [&] {
      after[static_cast<size_t>(openmp.thread())] = FloatControl::read();
      FloatControl::write(FloatControl::kDefault);
    });
    EXPECT_EQ(differences(expected, actual), "") << mode.name;
    EXPECT_TRUE(FloatControl::is_default(after[0])) << mode.name;
    for (int worker = 1; worker < kThreads; ++worker) {
      // A library in between may have used fewer workers, and ended the others: those start again.
      const FloatControl::Bits bits = after[static_cast<size_t>(worker)];
      EXPECT_TRUE(bits == mode.bits || FloatControl::is_default(bits)) << mode.name;
    }
  }
}

TEST_F(FloatModeTest, OfTheCallerIsThereAgainAfterACallThatFailed) {
  for (const Mode& mode : modes()) {
    const FloatControl::Bits before = FloatControl::read();
    FloatControl::write(mode.bits);
    const int32_t status = namp_gemm(device_.handle(), nullptr, nullptr);
    const FloatControl::Bits after = FloatControl::read();
    FloatControl::write(before);
    EXPECT_EQ(status, NAMP_ERROR_INVALID_ARGUMENT);
    EXPECT_EQ(after, mode.bits) << mode.name;
  }
}

}  // namespace
}  // namespace namp_test
