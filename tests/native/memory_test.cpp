// Devices and their memory.
#include "support.h"

namespace test {
namespace {

namp_memory_statistics statistics(namp_device* device) {
  namp_memory_statistics s{};
  s.struct_size = sizeof(s);
  EXPECT_EQ(namp_memory_get_statistics(&s, device), NAMP_OK);
  return s;
}

TEST(Memory, IsAlignedCountedByKindAndReused) {
  Device device;
  std::mt19937 engine(1);
  int64_t after_first = 0;
  for (int round = 0; round < 3; ++round) {
    engine.seed(1);
    std::vector<void*> pieces;
    int64_t asked = 0;
    for (int i = 0; i < 300; ++i) {
      const int64_t bytes = 1 + static_cast<int64_t>(engine()) % (i % 10 == 0 ? 5000000 : 3000);
      void* pointer = nullptr;
      ASSERT_EQ(namp_memory_allocate(&pointer, device, bytes, NAMP_MEMORY_ACTIVATIONS, nullptr),
                NAMP_OK);
      ASSERT_EQ(reinterpret_cast<uintptr_t>(pointer) % 256, 0u);
      std::memset(pointer, i, static_cast<size_t>(bytes));
      pieces.push_back(pointer);
      asked += bytes;
    }
    const auto s = statistics(device);
    EXPECT_GE(s.live_bytes[NAMP_MEMORY_ACTIVATIONS], asked);
    EXPECT_LE(s.live_bytes[NAMP_MEMORY_ACTIVATIONS], asked + asked / 8 + 300 * 256);
    EXPECT_EQ(s.live_bytes[NAMP_MEMORY_PARAMETERS], 0);
    EXPECT_EQ(s.peak_bytes[NAMP_MEMORY_ACTIVATIONS], s.live_bytes[NAMP_MEMORY_ACTIVATIONS]);
    for (int i = 0; i < 300; ++i) {
      EXPECT_EQ(*static_cast<unsigned char*>(pieces[static_cast<size_t>(i)]), i % 256);
      ASSERT_EQ(namp_memory_free(device, pieces[static_cast<size_t>(i)], nullptr), NAMP_OK);
    }
    if (round == 0) after_first = s.system_allocations;
    EXPECT_EQ(s.system_allocations, after_first);
  }
  const auto freed = statistics(device);
  EXPECT_EQ(freed.live_bytes[NAMP_MEMORY_ACTIVATIONS], 0);
  EXPECT_GT(freed.peak_total_bytes, 0);
  EXPECT_GT(freed.cached_bytes, 0);
  ASSERT_EQ(namp_memory_reset_peak(device), NAMP_OK);
  ASSERT_EQ(namp_memory_trim(device), NAMP_OK);
  EXPECT_EQ(statistics(device).peak_total_bytes, 0);
  EXPECT_EQ(statistics(device).cached_bytes, 0);
}

TEST(Memory, RefusesWhatIsNotItsOwnAndWhatCannotBe) {
  Device device;
  void* pointer = nullptr;
  int foreign = 0;
  ASSERT_EQ(namp_memory_allocate(&pointer, device, 100, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
  EXPECT_EQ(namp_memory_free(device, &foreign, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_memory_free(device, static_cast<char*>(pointer) + 1, nullptr),
            NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_device_close(device), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(namp_last_error_message()).find("1 pieces"), std::string::npos);
  EXPECT_EQ(namp_memory_free(device, pointer, nullptr), NAMP_OK);
  EXPECT_EQ(namp_memory_free(device, pointer, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_memory_free(device, nullptr, nullptr), NAMP_OK);
  void* untouched = &foreign;
  for (int64_t bytes : {INT64_MAX, INT64_MAX - 255, int64_t{1} << 60}) {
    EXPECT_EQ(namp_memory_allocate(&untouched, device, bytes, NAMP_MEMORY_OTHER, nullptr),
              NAMP_ERROR_OUT_OF_MEMORY);
  }
  EXPECT_EQ(namp_memory_allocate(&untouched, device, -1, NAMP_MEMORY_OTHER, nullptr),
            NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_memory_allocate(&untouched, device, 8, NAMP_MEMORY_KIND_COUNT, nullptr),
            NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(untouched, &foreign);
  EXPECT_EQ(namp_memory_allocate(&untouched, device, 0, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
  EXPECT_EQ(untouched, nullptr);
}

TEST(Device, SaysWhatItIs) {
  Device device;
  device.use(NAMP_SIMD_BASELINE, 5);
  namp_device_info info{};
  info.struct_size = sizeof(info);
  ASSERT_EQ(namp_device_get_info(&info, device), NAMP_OK);
  EXPECT_EQ(info.kind, NAMP_DEVICE_CPU);
  EXPECT_EQ(info.threads, 5);
  EXPECT_EQ(info.simd, NAMP_SIMD_BASELINE);
  EXPECT_GT(info.memory_total, 0);
  EXPECT_NE(std::string(info.name), "");
  EXPECT_NE(std::string(info.libraries).find("OpenMP"), std::string::npos);
  EXPECT_EQ(namp_device_set_threads(device, -1), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_device_set_threads(device, 1025), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_device_set_simd(device, 4), NAMP_ERROR_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace test
