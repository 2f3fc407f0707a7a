#include "emulated_gpu.h"

#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

#if defined(NATIVEAMP_EMULATED_CUDA)
#include <dlfcn.h>
#endif

namespace namp_test {
namespace {

const EmulatedGpu* find() {
#if defined(NATIVEAMP_EMULATED_CUDA)
  if (std::getenv("NATIVEAMP_TEST_GPU") != nullptr) return nullptr;
  setenv("NATIVEAMP_CUDA_LIBRARY", NATIVEAMP_EMULATED_CUDA, 0);
  // The machine's own cuBLAS would not find its driver.
  setenv("NATIVEAMP_CUBLAS_LIBRARY", "none", 0);
  setenv("NAMPEMU_DEVICES", "2", 0);
  static EmulatedGpu gpu;
  gpu.library = dlopen(NATIVEAMP_EMULATED_CUDA, RTLD_NOW);
  if (gpu.library == nullptr) return nullptr;
#define NAMP_TEST_BIND(name) \
  gpu.name = reinterpret_cast<decltype(gpu.name)>(gpu.symbol("nampemu_" #name));
  NAMP_TEST_EMULATOR_FUNCTIONS(NAMP_TEST_BIND)
#undef NAMP_TEST_BIND
  return &gpu;
#else
  return nullptr;
#endif
}

// At the end of the process: no findings outside of tests, and nothing left on a device.
class NothingIsLeft : public ::testing::Environment {
 public:
  void SetUp() override { emulated_gpu(); }

  void TearDown() override {
    const EmulatedGpu* gpu = emulated_gpu();
    if (gpu == nullptr) return;
    expect_no_findings();
    EXPECT_EQ(gpu->live_allocations(), 0u);
    EXPECT_EQ(gpu->live_modules(), 0u);
    EXPECT_EQ(gpu->live_streams(), 0u);
    EXPECT_EQ(gpu->live_events(), 0u);
  }
};

const auto* const kEnvironment = ::testing::AddGlobalTestEnvironment(new NothingIsLeft);

}  // namespace

void* EmulatedGpu::symbol(const char* name) const {
#if defined(NATIVEAMP_EMULATED_CUDA)
  return dlsym(library, name);
#else
  (void)name;
  return nullptr;
#endif
}

const EmulatedGpu* emulated_gpu() {
  static const EmulatedGpu* const gpu = find();
  return gpu;
}

void expect_no_findings() {
  const EmulatedGpu* gpu = emulated_gpu();
  if (gpu == nullptr) return;
  constexpr size_t kShown = 5;
  for (size_t i = 0; i < kShown && gpu->finding_text(i) != nullptr; ++i)
    ADD_FAILURE() << gpu->finding_text(i);
  EXPECT_EQ(gpu->findings(), 0u);
  gpu->reset_findings();
}

}  // namespace namp_test
