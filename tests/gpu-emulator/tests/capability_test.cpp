// Limits of a device's compute capability: text by its .target, shared memory by its size.
#include <cstdlib>

#include "device_test.h"

namespace nampemu_test {
namespace {

class CapabilityTest : public DeviceTest {
 protected:
  // A kernel of this body for a target.
  static std::string text(const std::string& target, const std::string& body = "") {
    std::string all = kernel(body, 0);
    return all.replace(all.find("sm_80"), 5, target);
  }
  CUresult load_result(const std::string& ptx) {
    CUmodule module = nullptr;
    const CUresult result = cuModuleLoadData(&module, ptx.c_str());
    if (result == CUDA_SUCCESS) modules_.push_back(module);
    return result;
  }
  int attribute(int number) {
    int value = 0;
    EXPECT_EQ(cuDeviceGetAttribute(&value, number, 0), CUDA_SUCCESS);
    return value;
  }
  // Dynamic shared memory beyond 48 KiB is to be had for the asking, up to what the device has.
  void expect_shared_memory_of(unsigned most) {
    EXPECT_EQ(attribute(97), static_cast<int>(most));
    const CUfunction f = load(text("sm_75"));
    EXPECT_EQ(launch(f, {}, 1, 32, 48 * 1024), CUDA_SUCCESS);
    EXPECT_EQ(launch(f, {}, 1, 32, 48 * 1024 + 16), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(nampemu_findings_of(NAMPEMU_LAUNCH_LIMIT), 1U) << findings();
    nampemu_reset();
    EXPECT_EQ(cuFuncSetAttribute(f, 8, static_cast<int>(most) + 1), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(cuFuncSetAttribute(f, 8, static_cast<int>(most)), CUDA_SUCCESS);
    EXPECT_EQ(launch(f, {}, 1, 32, most), CUDA_SUCCESS);
    EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    EXPECT_EQ(nampemu_findings(), 0U) << findings();
    EXPECT_EQ(launch(f, {}, 1, 32, most + 16), CUDA_ERROR_INVALID_VALUE);
    EXPECT_EQ(nampemu_findings_of(NAMPEMU_LAUNCH_LIMIT), 1U) << findings();
    nampemu_reset();
  }
};

TEST_F(CapabilityTest, ADeviceOf80) {
  EXPECT_EQ(load_result(text("sm_75")), CUDA_SUCCESS);
  EXPECT_EQ(load_result(text("sm_80", "cp.async.wait_all;")), CUDA_SUCCESS);
  EXPECT_EQ(load_result(text("sm_86")), CUDA_ERROR_NO_BINARY_FOR_GPU);
  // Even where this has instructions that nobody here knows.
  EXPECT_EQ(load_result(text("sm_90", "wgmma.fence.sync.aligned;")), CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_NE(findings().find("PTX for sm_90 on a device of sm_80"), std::string::npos) << findings();
  nampemu_reset();
  expect_shared_memory_of(163 * 1024);
}

// A process of its own, since a device stays what it is.
class OlderDeviceTest : public CapabilityTest {
 protected:
  void SetUp() override {}
  void TearDown() override {}
  [[noreturn]] void run_with(const char* compute) {
    setenv("NAMPEMU_COMPUTE", compute, 1);
    CapabilityTest::SetUp();
    expect_75();
    CapabilityTest::TearDown();
    std::exit(HasFailure() ? 1 : 0);
  }
  void expect_75() {
    EXPECT_EQ(attribute(75), 7);
    EXPECT_EQ(attribute(76), 5);
    EXPECT_EQ(load_result(text("sm_80")), CUDA_ERROR_NO_BINARY_FOR_GPU);
    EXPECT_EQ(load_result(text("sm_75",
                               "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r1, "
                               "%r2, %r3, %r4}, {%r5, %r6}, {%r7}, {%r1, %r2, %r3, %r4};")),
              CUDA_SUCCESS);
    EXPECT_EQ(load_result(text("sm_75", "cp.async.wait_all;")), CUDA_ERROR_INVALID_PTX);
    nampemu_reset();
    expect_shared_memory_of(64 * 1024);
  }
};

TEST_F(OlderDeviceTest, ADeviceOf75) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(run_with("7.5"), testing::ExitedWithCode(0), "");
}

TEST_F(CapabilityTest, ATestMayChangeIt) {
  const std::string newer = text("sm_80");
  EXPECT_EQ(nampemu_set_compute(75), 80);
  EXPECT_EQ(attribute(75), 7);
  EXPECT_EQ(attribute(76), 5);
  EXPECT_EQ(load_result(newer), CUDA_ERROR_NO_BINARY_FOR_GPU);
  EXPECT_EQ(nampemu_set_compute(80), 75);
  EXPECT_EQ(load_result(newer), CUDA_SUCCESS);
  nampemu_reset();
}

}  // namespace
}  // namespace nampemu_test
