// The driver API as a backend calls it: launches, counters, failures on demand, handles, memory.
#include "device_test.h"

namespace nampemu_test {
namespace {

class DriverTest : public DeviceTest {
 protected:
  static std::string add_one() {
    return kernel(R"(
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.s32 %r4, %r1, %r2, %r3;
    mul.wide.u32 %d1, %r4, 4;
    add.s64 %d2, %a0, %d1;
    ld.global.u32 %r5, [%d2];
    add.u32 %r5, %r5, 1;
    st.global.u32 [%d2], %r5;)",
                  1);
  }
  static nampemu_counters counters() {
    nampemu_counters c{};
    nampemu_get_counters(&c, sizeof c);
    return c;
  }
};

TEST_F(DriverTest, AddsOneToEveryElement) {
  std::vector<uint32_t> values(256);
  for (uint32_t i = 0; i < 256; ++i)
    values[i] = i * 3;
  const Buffer buffer(values);
  ASSERT_EQ(run(add_one(), {buffer.address()}, 4, 64), CUDA_SUCCESS);
  const auto result = buffer.read<uint32_t>();
  for (uint32_t i = 0; i < 256; ++i)
    EXPECT_EQ(result[i], i * 3 + 1);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

TEST_F(DriverTest, CountsWhatMoves) {
  const Buffer buffer(std::vector<uint32_t>(256, 1));
  const CUfunction f = load(add_one());
  nampemu_reset_counters();
  ASSERT_EQ(launch(f, {buffer.address()}, 4, 64), CUDA_SUCCESS);
  nampemu_counters c = counters();
  EXPECT_EQ(c.launches, 1U);
  EXPECT_EQ(c.global.loaded[2], 1024U);
  EXPECT_EQ(c.global.stored[2], 1024U);
  EXPECT_EQ(c.global.loaded[4], 0U);
  EXPECT_EQ(c.thread_instructions, 256U * 11);
  EXPECT_EQ(c.host_waits, 0U);
  EXPECT_EQ(nampemu_launches_of("k"), 1U);
  EXPECT_EQ(nampemu_launches_of("other"), 0U);
  EXPECT_EQ(nampemu_calls_of("cuLaunchKernel"), 1U);
  nampemu_counters of{};
  nampemu_get_kernel_counters("k", &of, sizeof of);
  EXPECT_EQ(of.global.stored[2], 1024U);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  uint32_t word = 0;
  ASSERT_EQ(cuMemcpyDtoH_v2(&word, buffer.address(), 4), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoD_v2(buffer.address(), buffer.address() + 64, 64), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD8_v2(buffer.address(), 0, 32), CUDA_SUCCESS);
  c = counters();
  EXPECT_EQ(c.host_waits, 2U);
  EXPECT_EQ(c.copies_to_host, 1U);
  EXPECT_EQ(c.bytes_to_host, 4U);
  EXPECT_EQ(c.bytes_on_device, 64U);
  EXPECT_EQ(c.bytes_filled, 32U);
  // A copy that is asynchronous from pinned memory waits for nothing.
  void* pinned = nullptr;
  ASSERT_EQ(cuMemAllocHost_v2(&pinned, 64), CUDA_SUCCESS);
  std::memset(pinned, 1, 64);
  ASSERT_EQ(cuMemcpyHtoDAsync_v2(buffer.address(), pinned, 64, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(counters().host_waits, 2U);
  ASSERT_EQ(cuMemcpyHtoDAsync_v2(buffer.address(), &word, 4, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(counters().host_waits, 3U);
  ASSERT_EQ(cuMemFreeHost(pinned), CUDA_SUCCESS);
}

TEST_F(DriverTest, CountsVectorsByTheirWidth) {
  const Buffer buffer(std::vector<uint32_t>(128, 1));
  ASSERT_EQ(
      run(kernel(
              "mov.u32 %r1, %tid.x;\nmul.wide.u32 %d1, %r1, 16;\nadd.u64 %d1, %d1, %a0;\n"
              "ld.global.v4.f32 {%r2, %r3, %r4, %r5}, [%d1];\nst.global.v2.b64 [%d1], {%d1, %d1};",
              1),
          {buffer.address()}),
      CUDA_SUCCESS);
  EXPECT_EQ(counters().global.loaded[4], 512U);
  EXPECT_EQ(counters().global.stored[4], 512U);
}

TEST_F(DriverTest, FailsOnceWhereItIsAsked) {
  EXPECT_EQ(nampemu_fail("cuMemAlloc", 2, CUDA_ERROR_OUT_OF_MEMORY), 0);
  EXPECT_EQ(nampemu_fail("cuNothing", 1, 1), 1);
  EXPECT_EQ(nampemu_fail("cuMemAlloc", 0, 1), 1);
  CUdeviceptr a = 0, b = 0, c = 0;
  EXPECT_EQ(cuMemAlloc_v2(&a, 16), CUDA_SUCCESS);
  EXPECT_EQ(cuMemAlloc_v2(&b, 16), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(b, 0U);
  EXPECT_EQ(cuMemAlloc_v2(&c, 16), CUDA_SUCCESS);
  cuMemFree_v2(a);
  cuMemFree_v2(c);
  EXPECT_EQ(nampemu_fail("cuLaunchKernel", 1, CUDA_ERROR_LAUNCH_FAILED), 0);
  nampemu_fail_none();
  EXPECT_EQ(launch(load(kernel("", 0)), {}), CUDA_SUCCESS);
}

// The functions that a backend calls, each once and in any state.
TEST_F(DriverTest, EveryFunctionFailsAsAsked) {
  using Call = std::pair<const char*, CUresult (*)()>;
  const Call calls[] = {
      {"cuInit", [] { return cuInit(0); }},
      {"cuDriverGetVersion", [] { return cuDriverGetVersion(nullptr); }},
      {"cuGetProcAddress", [] { return cuGetProcAddress_v2("", nullptr, 0, 0, nullptr); }},
      {"cuDeviceGetCount", [] { return cuDeviceGetCount(nullptr); }},
      {"cuDeviceGet", [] { return cuDeviceGet(nullptr, 0); }},
      {"cuDeviceGetName", [] { return cuDeviceGetName(nullptr, 0, 0); }},
      {"cuDeviceGetAttribute", [] { return cuDeviceGetAttribute(nullptr, 0, 0); }},
      {"cuDeviceTotalMem", [] { return cuDeviceTotalMem_v2(nullptr, 0); }},
      {"cuDevicePrimaryCtxRetain", [] { return cuDevicePrimaryCtxRetain(nullptr, 0); }},
      {"cuDevicePrimaryCtxRelease", [] { return cuDevicePrimaryCtxRelease_v2(0); }},
      {"cuCtxPushCurrent", [] { return cuCtxPushCurrent_v2(nullptr); }},
      {"cuCtxPopCurrent", [] { return cuCtxPopCurrent_v2(nullptr); }},
      {"cuCtxSynchronize", [] { return cuCtxSynchronize(); }},
      {"cuModuleLoadData", [] { return cuModuleLoadData(nullptr, nullptr); }},
      {"cuModuleUnload", [] { return cuModuleUnload(nullptr); }},
      {"cuModuleGetFunction", [] { return cuModuleGetFunction(nullptr, nullptr, nullptr); }},
      {"cuFuncGetAttribute", [] { return cuFuncGetAttribute(nullptr, 0, nullptr); }},
      {"cuOccupancyMaxActiveBlocksPerMultiprocessor",
       [] { return cuOccupancyMaxActiveBlocksPerMultiprocessor(nullptr, nullptr, 0, 0); }},
      {"cuLaunchKernel",
       [] { return cuLaunchKernel(nullptr, 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, nullptr); }},
      {"cuMemAlloc", [] { return cuMemAlloc_v2(nullptr, 0); }},
      {"cuMemFree", [] { return cuMemFree_v2(1); }},
      {"cuMemAllocAsync", [] { return cuMemAllocAsync(nullptr, 0, nullptr); }},
      {"cuMemFreeAsync", [] { return cuMemFreeAsync(1, nullptr); }},
      {"cuMemAllocHost", [] { return cuMemAllocHost_v2(nullptr, 0); }},
      {"cuMemFreeHost", [] { return cuMemFreeHost(nullptr); }},
      {"cuMemGetInfo", [] { return cuMemGetInfo_v2(nullptr, nullptr); }},
      {"cuPointerGetAttribute", [] { return cuPointerGetAttribute(nullptr, 0, 0); }},
      {"cuMemcpyHtoDAsync", [] { return cuMemcpyHtoDAsync_v2(0, nullptr, 1, nullptr); }},
      {"cuMemcpyDtoHAsync", [] { return cuMemcpyDtoHAsync_v2(nullptr, 0, 1, nullptr); }},
      {"cuMemcpyDtoD", [] { return cuMemcpyDtoD_v2(0, 0, 1); }},
      {"cuMemsetD8", [] { return cuMemsetD8_v2(0, 0, 1); }},
      {"cuStreamCreate", [] { return cuStreamCreate(nullptr, 0); }},
      {"cuStreamDestroy", [] { return cuStreamDestroy_v2(nullptr); }},
      {"cuStreamSynchronize", [] { return cuStreamSynchronize(nullptr); }},
      {"cuEventCreate", [] { return cuEventCreate(nullptr, 0); }},
      {"cuEventDestroy", [] { return cuEventDestroy_v2(nullptr); }},
      {"cuEventRecord", [] { return cuEventRecord(nullptr, nullptr); }},
      {"cuEventSynchronize", [] { return cuEventSynchronize(nullptr); }},
      {"cuEventElapsedTime", [] { return cuEventElapsedTime(nullptr, nullptr, nullptr); }}};
  constexpr int kNumber = 909;  // of no error that there is
  for (const auto& [name, call] : calls) {
    ASSERT_EQ(nampemu_fail(name, 1, kNumber), 0) << name;
    EXPECT_EQ(static_cast<int>(call()), kNumber) << name;
  }
  EXPECT_EQ(nampemu_findings(), 0U) << findings();  // none of them did anything
}

TEST_F(DriverTest, FindsEntryPointsByName) {
  void* function = nullptr;
  int status = -1;
  EXPECT_EQ(cuGetProcAddress_v2("cuMemAlloc", &function, 12000, 0, &status), CUDA_SUCCESS);
  EXPECT_EQ(function, reinterpret_cast<void*>(&cuMemAlloc_v2));
  EXPECT_EQ(status, 0);
  EXPECT_EQ(cuGetProcAddress_v2("cuLaunchKernel", &function, 12000, 0, &status), CUDA_SUCCESS);
  EXPECT_EQ(cuGetProcAddress_v2("cuTeleport", &function, 12000, 0, &status), CUDA_ERROR_NOT_FOUND);
  EXPECT_EQ(function, nullptr);
  EXPECT_EQ(status, 1);
}

TEST_F(DriverTest, Devices) {
  int count = 0, value = 0;
  EXPECT_EQ(cuDeviceGetCount(&count), CUDA_SUCCESS);
  EXPECT_EQ(count, 1);
  char name[64];
  EXPECT_EQ(cuDeviceGetName(name, 64, 0), CUDA_SUCCESS);
  EXPECT_STREQ(name, "NativeAmp emulated GPU");
  EXPECT_EQ(cuDeviceGetAttribute(&value, 75, 0), CUDA_SUCCESS);
  EXPECT_EQ(value, 8);
  EXPECT_EQ(cuDeviceGetAttribute(&value, 100000, 0), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(cuDeviceGetAttribute(&value, 75, 1), CUDA_ERROR_INVALID_DEVICE);
  const char* text = nullptr;
  EXPECT_EQ(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text), CUDA_SUCCESS);
  EXPECT_STREQ(text, "CUDA_ERROR_OUT_OF_MEMORY");
}

TEST_F(DriverTest, MemoryRunsOut) {
  size_t free_before = 0, free_after = 0, total = 0;
  ASSERT_EQ(cuMemGetInfo_v2(&free_before, &total), CUDA_SUCCESS);
  CUdeviceptr a = 0;
  EXPECT_EQ(cuMemAlloc_v2(&a, total + 1), CUDA_ERROR_OUT_OF_MEMORY);
  EXPECT_EQ(cuMemAlloc_v2(&a, 0), CUDA_ERROR_INVALID_VALUE);
  ASSERT_EQ(cuMemAllocAsync(&a, 1 << 20, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemGetInfo_v2(&free_after, &total), CUDA_SUCCESS);
  EXPECT_EQ(free_before - free_after, size_t{1} << 20);
  EXPECT_EQ(a % 256, 0U);
  unsigned type = 0;
  EXPECT_EQ(cuPointerGetAttribute(&type, 2, a + 100), CUDA_SUCCESS);
  EXPECT_EQ(type, 2U);
  EXPECT_EQ(nampemu_live_bytes(), uint64_t{1} << 20);
  ASSERT_EQ(cuMemFreeAsync(a, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_live_allocations(), 0U);
}

TEST_F(DriverTest, StreamsAndEvents) {
  CUstream stream = nullptr;
  CUevent from = nullptr, to = nullptr;
  ASSERT_EQ(cuStreamCreate(&stream, 1), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&from, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuEventCreate(&to, 0), CUDA_SUCCESS);
  float milliseconds = -1;
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, from, to), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(cuEventRecord(from, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamWaitEvent(stream, from, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuEventRecord(to, stream), CUDA_SUCCESS);
  EXPECT_EQ(cuEventElapsedTime(&milliseconds, from, to), CUDA_SUCCESS);
  EXPECT_GE(milliseconds, 0.0F);
  EXPECT_EQ(nampemu_live_streams(), 1U);
  EXPECT_EQ(nampemu_live_events(), 2U);
  EXPECT_EQ(cuEventDestroy_v2(from), CUDA_SUCCESS);
  EXPECT_EQ(cuEventDestroy_v2(to), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(cuStreamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_ARGUMENT), 1U);
}

TEST_F(DriverTest, GlobalsKeepTheirInitialValues) {
  const std::string globals =
      ".global .align 4 .u32 numbers[3] = {1, 2, 0x10};\n.const .align 4 .f32 half = "
      "0f3F000000;\n.global .align 8 .u64 where = numbers;\n";
  const Buffer out(16);
  ASSERT_EQ(run(kernel("mov.u32 %r1, %tid.x;\nsetp.ne.u32 %p1, %r1, 0;\n@%p1 exit;\nld.global.u64 "
                       "%d1, [where];\nld.global.u32 %r2, [%d1+8];\nld.const.f32 %r3, [half];\n"
                       "mov.u64 %d2, numbers;\nld.global.u32 %r4, [%d2+4];\nst.global.v4.u32 "
                       "[%a0], {%r2, %r3, %r4, 9};",
                       1, globals),
                {out.address()}),
            CUDA_SUCCESS);
  EXPECT_EQ(out.read<uint32_t>(), (std::vector<uint32_t>{16, 0x3f000000, 2, 9}));
  CUdeviceptr address = 0;
  size_t bytes = 0;
  ASSERT_EQ(cuModuleGetGlobal_v2(&address, &bytes, modules_.back(), "numbers"), CUDA_SUCCESS);
  EXPECT_EQ(bytes, 12U);
  uint32_t values[3];
  ASSERT_EQ(cuMemcpyDtoH_v2(values, address, 12), CUDA_SUCCESS);
  EXPECT_EQ(values[2], 16U);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

TEST_F(DriverTest, Occupancy) {
  const CUfunction f = load(kernel("", 0));
  int blocks = 0, grid = 0, block = 0, value = 0;
  EXPECT_EQ(cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, f, 256, 0), CUDA_SUCCESS);
  EXPECT_GE(blocks, 1);
  EXPECT_EQ(cuOccupancyMaxPotentialBlockSize(&grid, &block, f, nullptr, 0, 0), CUDA_SUCCESS);
  EXPECT_EQ(block % 32, 0);
  EXPECT_GE(grid, 4);
  EXPECT_EQ(cuFuncGetAttribute(&value, 0, f), CUDA_SUCCESS);
  EXPECT_EQ(value, 1024);
}

}  // namespace
}  // namespace nampemu_test
