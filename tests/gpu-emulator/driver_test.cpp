// The driver API as a backend calls it.
#include "device_test.h"

namespace nampemu_test {
namespace {

using DriverTest = DeviceTest;

TEST_F(DriverTest, AddsOneToEveryElement) {
  const CUfunction function = load(kernel(R"(
    mov.u32 %r1, %ctaid.x;
    mov.u32 %r2, %ntid.x;
    mov.u32 %r3, %tid.x;
    mad.lo.s32 %r4, %r1, %r2, %r3;
    mul.wide.u32 %d1, %r4, 4;
    add.s64 %d2, %a0, %d1;
    ld.global.u32 %r5, [%d2];
    add.u32 %r5, %r5, 1;
    st.global.u32 [%d2], %r5;)",
                                          1));
  std::vector<uint32_t> values(256);
  for (uint32_t i = 0; i < 256; ++i)
    values[i] = i * 3;
  const Buffer buffer(values);
  ASSERT_EQ(launch(function, {buffer.address()}, 4, 64), CUDA_SUCCESS);
  ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  const auto result = buffer.read<uint32_t>();
  for (uint32_t i = 0; i < 256; ++i)
    EXPECT_EQ(result[i], i * 3 + 1);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

}  // namespace
}  // namespace nampemu_test
