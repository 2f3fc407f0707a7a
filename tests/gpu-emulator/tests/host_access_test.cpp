// The host and the device's memory: what a process may touch on hardware, it may touch here, and nothing else.
#include "device_test.h"

namespace nampemu_test {
namespace {

class HostAccessTest : public DeviceTest {
 protected:
  static int read(const void* from) { return *static_cast<const volatile int*>(from); }
  static void write(void* to, int value) { *static_cast<volatile int*>(to) = value; }
};

TEST_F(HostAccessTest, DeviceMemoryEndsTheProcess) {
  const Buffer buffer(std::vector<int>{1, 2, 3});
  void* const pointer = reinterpret_cast<void*>(buffer.address());
  EXPECT_DEATH(read(pointer), "");
  EXPECT_DEATH(write(pointer, 4), "");
  EXPECT_EQ(buffer.read<int>(), (std::vector<int>{1, 2, 3}));
}

TEST_F(HostAccessTest, AModulesVariablesEndTheProcess) {
  CUmodule module = nullptr;
  ASSERT_EQ(cuModuleLoadData(&module, kernel("", 0, ".global .u32 v = 7;").c_str()), CUDA_SUCCESS);
  modules_.push_back(module);
  CUdeviceptr address = 0;
  ASSERT_EQ(cuModuleGetGlobal_v2(&address, nullptr, module, "v"), CUDA_SUCCESS);
  EXPECT_DEATH(read(reinterpret_cast<void*>(address)), "");
  int value = 0;
  ASSERT_EQ(cuMemcpyDtoH_v2(&value, address, sizeof value), CUDA_SUCCESS);
  EXPECT_EQ(value, 7);
}

TEST_F(HostAccessTest, PinnedMemoryIsBothSides) {
  void* pinned = nullptr;
  ASSERT_EQ(cuMemAllocHost_v2(&pinned, 5000), CUDA_SUCCESS);
  int* const values = static_cast<int*>(pinned);
  for (int k = 0; k < 1250; ++k)
    values[k] = k;
  ASSERT_EQ(run(kernel("ld.global.u32 %r1, [%a0+4996];\nadd.u32 %r1, %r1, 1;\nst.global.u32 "
                       "[%a0], %r1;",
                       1),
                {reinterpret_cast<CUdeviceptr>(pinned)}, 1, 1),
            CUDA_SUCCESS)
      << findings();
  EXPECT_EQ(values[0], 1250);
  const Buffer device(std::vector<int>{0});
  ASSERT_EQ(cuMemcpyHtoD_v2(device.address(), pinned, sizeof(int)), CUDA_SUCCESS);
  EXPECT_EQ(device.read<int>()[0], 1250);
  ASSERT_EQ(cuMemFreeHost(pinned), CUDA_SUCCESS);
  EXPECT_DEATH(read(pinned), "");
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

}  // namespace
}  // namespace nampemu_test
