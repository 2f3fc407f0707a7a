// Work on streams is done as late as the waits allow: what is not ordered meets memory as it was.
#include "device_test.h"

namespace nampemu_test {
namespace {

class QueueTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    ASSERT_EQ(cuStreamCreate(&first_, 1), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamCreate(&second_, 1), CUDA_SUCCESS);
    ASSERT_EQ(cuEventCreate(&event_, 2), CUDA_SUCCESS);
    ASSERT_EQ(cuMemAlloc_v2(&memory_, 4), CUDA_SUCCESS);
    ASSERT_EQ(cuMemAlloc_v2(&copy_, 4), CUDA_SUCCESS);
    ASSERT_EQ(cuMemHostAlloc(&pinned_, 4, 0), CUDA_SUCCESS);
    ASSERT_EQ(cuMemsetD32_v2(memory_, 1, 1), CUDA_SUCCESS);
    ASSERT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
  }
  void TearDown() override {
    EXPECT_EQ(cuCtxSynchronize(), CUDA_SUCCESS);
    EXPECT_EQ(cuMemFreeHost(pinned_), CUDA_SUCCESS);
    EXPECT_EQ(cuMemFree_v2(copy_), CUDA_SUCCESS);
    EXPECT_EQ(cuMemFree_v2(memory_), CUDA_SUCCESS);
    EXPECT_EQ(cuEventDestroy_v2(event_), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamDestroy_v2(second_), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamDestroy_v2(first_), CUDA_SUCCESS);
    DeviceTest::TearDown();
  }

  // A write of 2 on the first stream, and a copy of it on the second.
  void write() { ASSERT_EQ(cuMemsetD32Async(memory_, 2, 1, first_), CUDA_SUCCESS); }
  void read() { ASSERT_EQ(cuMemcpyDtoDAsync_v2(copy_, memory_, 4, second_), CUDA_SUCCESS); }
  uint32_t found() {
    EXPECT_EQ(cuStreamSynchronize(second_), CUDA_SUCCESS);
    return peek(copy_);
  }
  uint32_t peek(CUdeviceptr from) {
    uint32_t value = 0;
    EXPECT_EQ(nampemu_peek(from, 4, &value), 0);
    return value;
  }

  static uint64_t host_waits() {
    nampemu_counters counters{};
    nampemu_get_counters(&counters, sizeof counters);
    return counters.host_waits;
  }

  CUstream first_ = nullptr, second_ = nullptr;
  CUevent event_ = nullptr;
  CUdeviceptr memory_ = 0, copy_ = 0;
  void* pinned_ = nullptr;
};

TEST_F(QueueTest, AnotherStreamThatDoesNotWaitSeesMemoryAsItWas) {
  write();
  read();
  EXPECT_EQ(found(), 1U);
  EXPECT_EQ(peek(memory_), 2U);
}

TEST_F(QueueTest, AStreamWaitsForAnEvent) {
  write();
  ASSERT_EQ(cuEventRecord(event_, first_), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamWaitEvent(second_, event_, 0), CUDA_SUCCESS);
  read();
  EXPECT_EQ(found(), 2U);
}

TEST_F(QueueTest, AnEventIsWhatWasBeforeItsRecord) {
  ASSERT_EQ(cuEventRecord(event_, first_), CUDA_SUCCESS);
  write();
  ASSERT_EQ(cuStreamWaitEvent(second_, event_, 0), CUDA_SUCCESS);
  read();
  EXPECT_EQ(found(), 1U);
}

TEST_F(QueueTest, TheLegacyStreamIsNoOrderForStreamsThatAreNotBlocking) {
  ASSERT_EQ(cuMemsetD32Async(memory_, 2, 1, nullptr), CUDA_SUCCESS);
  read();
  EXPECT_EQ(found(), 1U);
}

TEST_F(QueueTest, BlockingStreamsAndTheLegacyOneWaitForEachOther) {
  CUstream blocking = nullptr;
  ASSERT_EQ(cuStreamCreate(&blocking, 0), CUDA_SUCCESS);
  ASSERT_EQ(cuMemsetD32Async(memory_, 2, 1, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoDAsync_v2(copy_, memory_, 4, blocking), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(blocking), CUDA_SUCCESS);
  EXPECT_EQ(peek(copy_), 2U);
  ASSERT_EQ(cuMemsetD32Async(memory_, 3, 1, blocking), CUDA_SUCCESS);
  ASSERT_EQ(cuMemcpyDtoDAsync_v2(copy_, memory_, 4, nullptr), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(nullptr), CUDA_SUCCESS);
  EXPECT_EQ(peek(copy_), 3U);
  EXPECT_EQ(cuStreamDestroy_v2(blocking), CUDA_SUCCESS);
}

TEST_F(QueueTest, PinnedMemoryIsReadWhenItIsTheCopysTurn) {
  auto* value = static_cast<uint32_t*>(pinned_);
  *value = 5;
  ASSERT_EQ(cuMemcpyHtoDAsync_v2(memory_, pinned_, 4, first_), CUDA_SUCCESS);
  *value = 6;
  ASSERT_EQ(cuStreamSynchronize(first_), CUDA_SUCCESS);
  EXPECT_EQ(peek(memory_), 6U);
}

TEST_F(QueueTest, OtherHostMemoryIsReadBeforeTheCallReturns) {
  uint32_t value = 5;
  ASSERT_EQ(cuMemcpyHtoDAsync_v2(memory_, &value, 4, first_), CUDA_SUCCESS);
  value = 6;
  ASSERT_EQ(cuStreamSynchronize(first_), CUDA_SUCCESS);
  EXPECT_EQ(peek(memory_), 5U);
}

TEST_F(QueueTest, AQueryLetsTimePass) {
  const uint64_t waits = host_waits();
  write();
  ASSERT_EQ(cuEventRecord(event_, first_), CUDA_SUCCESS);
  EXPECT_EQ(cuEventQuery(event_), CUDA_SUCCESS);
  read();
  EXPECT_EQ(found(), 2U);
  EXPECT_EQ(host_waits(), waits + 1);  // found's
}

}  // namespace
}  // namespace nampemu_test
