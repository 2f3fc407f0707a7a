// Devices and their memory.
#include "backend_test.h"

namespace namp_test {
namespace {

namp_memory_statistics statistics(namp_device* device) {
  auto s = make_args<namp_memory_statistics>();
  EXPECT_EQ(namp_memory_get_statistics(&s, device), NAMP_OK);
  return s;
}

class MemoryTest : public BackendTest {};
class DeviceTest : public BackendTest {};

TEST_P(MemoryTest, IsAlignedCountedByKindAndReused) {
  std::mt19937 engine(1);
  int64_t after_first = 0;
  for (int round = 0; round < 3; ++round) {
    engine.seed(1);
    std::vector<void*> pieces;
    int64_t asked = 0;
    for (int i = 0; i < 300; ++i) {
      const int64_t bytes = 1 + static_cast<int64_t>(engine()) % (i % 10 == 0 ? 5000000 : 3000);
      void* pointer = nullptr;
      ASSERT_EQ(namp_memory_allocate(&pointer, device_, bytes, NAMP_MEMORY_ACTIVATIONS, nullptr),
                NAMP_OK);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(pointer) % 256, 0u);
      ASSERT_EQ(namp_memory_fill(device_, pointer, i, bytes, nullptr), NAMP_OK);
      pieces.push_back(pointer);
      asked += bytes;
    }
    const auto s = statistics(device_);
    EXPECT_GE(s.live_bytes[NAMP_MEMORY_ACTIVATIONS], asked);
    EXPECT_LE(s.live_bytes[NAMP_MEMORY_ACTIVATIONS], asked + asked / 8 + 300 * 256);
    EXPECT_EQ(s.live_bytes[NAMP_MEMORY_PARAMETERS], 0);
    EXPECT_EQ(s.peak_bytes[NAMP_MEMORY_ACTIVATIONS], s.live_bytes[NAMP_MEMORY_ACTIVATIONS]);
    for (int i = 0; i < 300; ++i) {
      unsigned char first = 0;
      ASSERT_EQ(namp_memory_copy(device_, &first, pieces[static_cast<size_t>(i)], 1,
                                 NAMP_COPY_DEVICE_TO_HOST, nullptr),
                NAMP_OK);
      EXPECT_EQ(first, i % 256);
      ASSERT_EQ(namp_memory_free(device_, pieces[static_cast<size_t>(i)], nullptr), NAMP_OK);
    }
    if (round == 0) after_first = s.system_allocations;
    EXPECT_EQ(s.system_allocations, after_first);
  }
  const auto freed = statistics(device_);
  EXPECT_EQ(freed.live_bytes[NAMP_MEMORY_ACTIVATIONS], 0);
  EXPECT_GT(freed.peak_total_bytes, 0);
  EXPECT_GT(freed.cached_bytes, 0);
  ASSERT_EQ(namp_memory_reset_peak(device_), NAMP_OK);
  ASSERT_EQ(namp_memory_trim(device_), NAMP_OK);
  EXPECT_EQ(statistics(device_).peak_total_bytes, 0);
  EXPECT_EQ(statistics(device_).cached_bytes, 0);
}

TEST_P(MemoryTest, RefusesWhatIsNotItsOwnAndWhatCannotBe) {
  void* pointer = nullptr;
  int foreign = 0;
  ASSERT_EQ(namp_memory_allocate(&pointer, device_, 100, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
  EXPECT_EQ(namp_memory_free(device_, &foreign, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_memory_free(device_, static_cast<char*>(pointer) + 1, nullptr),
            NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_device_close(device_), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(namp_last_error_message()).find("1 pieces"), std::string::npos);
  EXPECT_EQ(namp_memory_free(device_, pointer, nullptr), NAMP_OK);
  EXPECT_EQ(namp_memory_free(device_, pointer, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_memory_free(device_, nullptr, nullptr), NAMP_OK);
  void* untouched = &foreign;
  for (int64_t bytes : {INT64_MAX, INT64_MAX - 255, int64_t{1} << 60}) {
    EXPECT_EQ(namp_memory_allocate(&untouched, device_, bytes, NAMP_MEMORY_OTHER, nullptr),
              NAMP_ERROR_OUT_OF_MEMORY);
  }
  EXPECT_EQ(namp_memory_allocate(&untouched, device_, -1, NAMP_MEMORY_OTHER, nullptr),
            NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_memory_allocate(&untouched, device_, 8, NAMP_MEMORY_KIND_COUNT, nullptr),
            NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(untouched, &foreign);
  EXPECT_EQ(namp_memory_allocate(&untouched, device_, 0, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
  EXPECT_EQ(untouched, nullptr);
}

TEST_P(DeviceTest, SaysWhatItIs) {
  device_.use({NAMP_SIMD_BASELINE, 5});
  auto info = make_args<namp_device_info>();
  ASSERT_EQ(namp_device_get_info(&info, device_), NAMP_OK);
  const std::string libraries = info.libraries;
  if (device_.is_gpu()) {
    EXPECT_EQ(info.kind, NAMP_DEVICE_CUDA);
    EXPECT_EQ(info.ordinal, 0);
    EXPECT_EQ(info.threads, 0);
    EXPECT_EQ(info.simd, 0);
    EXPECT_GE(info.compute_major * 10 + info.compute_minor, 75);
    EXPECT_GT(info.multiprocessors, 0);
    EXPECT_NE(libraries.find("CUDA driver"), std::string::npos) << libraries;
  } else {
    EXPECT_EQ(info.kind, NAMP_DEVICE_CPU);
    EXPECT_EQ(info.threads, 5);
    EXPECT_EQ(info.simd, NAMP_SIMD_BASELINE);
    EXPECT_NE(libraries.find("oneDNN"), std::string::npos) << libraries;
  }
  EXPECT_GT(info.memory_total, 0);
  EXPECT_LE(info.memory_free, info.memory_total);
  EXPECT_NE(std::string(info.name), "");
}

TEST_P(DeviceTest, HasThreadsAndSimdOnTheCpuAlone) {
  EXPECT_EQ(namp_device_set_threads(device_, -1), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_device_set_threads(device_, 1025), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_device_set_simd(device_, NAMP_SIMD_NEON_DOTPROD + 1), NAMP_ERROR_INVALID_ARGUMENT);
  const int32_t expected = device_.is_gpu() ? NAMP_ERROR_UNSUPPORTED : NAMP_OK;
  EXPECT_EQ(namp_device_set_threads(device_, 2), expected);
  EXPECT_EQ(namp_device_set_simd(device_, NAMP_SIMD_BASELINE), expected);
#if defined(__x86_64__)
  constexpr int32_t kOthers[] = {NAMP_SIMD_NEON_DOTPROD};
#else
  constexpr int32_t kOthers[] = {NAMP_SIMD_AVX2, NAMP_SIMD_AVX512, NAMP_SIMD_AMX_BF16};
#endif
  for (const int32_t other : kOthers)
    EXPECT_EQ(namp_device_set_simd(device_, other), NAMP_ERROR_UNSUPPORTED) << other;
}

NAMP_ON_EVERY_DEVICE(MemoryTest);
NAMP_ON_EVERY_DEVICE(DeviceTest);

}  // namespace
}  // namespace namp_test
