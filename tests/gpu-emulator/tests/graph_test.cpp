// Graphs that are captured from streams: their launches, and what is refused during a capture. The
// numbers of errors are those of the driver's documentation.
#include <thread>

#include "cublas/cublas_api.h"
#include "device_test.h"

namespace nampemu_test {
namespace {

enum Mode { kGlobal = 0, kThread = 1, kRelaxed = 2 };

class GraphTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    for (CUstream* stream : {&stream_, &other_})
      ASSERT_EQ(cuStreamCreate(stream, 1), CUDA_SUCCESS);
    ASSERT_EQ(cuEventCreate(&fork_, 2), CUDA_SUCCESS);
    ASSERT_EQ(cuEventCreate(&join_, 2), CUDA_SUCCESS);
  }
  void TearDown() override {
    for (const CUgraphExec each : executables_)
      EXPECT_EQ(cuGraphExecDestroy(each), CUDA_SUCCESS);
    for (const CUgraph each : graphs_)
      EXPECT_EQ(cuGraphDestroy(each), CUDA_SUCCESS);
    EXPECT_EQ(nampemu_live_graphs(), 0U);
    for (const CUevent event : {fork_, join_})
      EXPECT_EQ(cuEventDestroy_v2(event), CUDA_SUCCESS);
    for (const CUstream stream : {stream_, other_})
      EXPECT_EQ(cuStreamDestroy_v2(stream), CUDA_SUCCESS);
    DeviceTest::TearDown();
  }

  void begin(int mode = kThread) {
    ASSERT_EQ(cuStreamBeginCapture_v2(stream_, mode), CUDA_SUCCESS);
  }
  CUgraphExec finish() {
    CUgraph graph = nullptr;
    EXPECT_EQ(cuStreamEndCapture(stream_, &graph), CUDA_SUCCESS);
    if (graph == nullptr) return nullptr;
    graphs_.push_back(graph);
    CUgraphExec executable = nullptr;
    EXPECT_EQ(cuGraphInstantiateWithFlags(&executable, graph, 0), CUDA_SUCCESS);
    executables_.push_back(executable);
    return executable;
  }
  // Ends a capture that has failed.
  void expect_failed(CUresult result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED) {
    CUgraph graph = nullptr;
    EXPECT_EQ(cuStreamEndCapture(stream_, &graph), result);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(status(), 0);
  }
  int status() {
    int value = -1;
    EXPECT_EQ(cuStreamIsCapturing(stream_, &value), CUDA_SUCCESS);
    return value;
  }
  void fork() {
    ASSERT_EQ(cuEventRecord(fork_, stream_), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamWaitEvent(other_, fork_, 0), CUDA_SUCCESS);
  }
  void join() {
    ASSERT_EQ(cuEventRecord(join_, other_), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamWaitEvent(stream_, join_, 0), CUDA_SUCCESS);
  }
  void set(const Buffer& memory, uint32_t value, CUstream stream) {
    ASSERT_EQ(cuMemsetD32Async(memory.address(), value, 1, stream), CUDA_SUCCESS);
  }
  void copy(const Buffer& to, const Buffer& from, CUstream stream) {
    ASSERT_EQ(cuMemcpyDtoDAsync_v2(to.address(), from.address(), 4, stream), CUDA_SUCCESS);
  }
  // A launch of one thread that adds one.
  void add_one(CUfunction function, const Buffer& memory, CUstream stream) {
    CUdeviceptr address = memory.address();
    void* parameters[] = {&address};
    ASSERT_EQ(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, parameters, nullptr),
              CUDA_SUCCESS);
  }
  CUfunction adder() {
    return load(
        kernel("ld.global.u32 %r0, [%a0];\nadd.u32 %r0, %r0, 1;\nst.global.u32 [%a0], %r0;", 1));
  }
  static uint32_t peek(const Buffer& memory) {
    uint32_t value = 0;
    EXPECT_EQ(nampemu_peek(memory.address(), 4, &value), 0);
    return value;
  }
  static nampemu_counters counters() {
    nampemu_counters all{};
    nampemu_get_counters(&all, sizeof all);
    return all;
  }

  CUstream stream_ = nullptr, other_ = nullptr;
  CUevent fork_ = nullptr, join_ = nullptr;
  std::vector<CUgraph> graphs_;
  std::vector<CUgraphExec> executables_;
};

TEST_F(GraphTest, CapturedWorkIsDoneAtEachLaunchAndNotBefore) {
  const Buffer number(std::vector<uint32_t>{5}), copied(std::vector<uint32_t>{0});
  const CUfunction function = adder();
  begin();
  add_one(function, number, stream_);
  copy(copied, number, stream_);
  const CUgraphExec graph = finish();
  EXPECT_EQ(peek(number), 5U);
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(stream_), CUDA_SUCCESS);
  EXPECT_EQ(peek(number), 7U);
  EXPECT_EQ(peek(copied), 7U);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

TEST_F(GraphTest, AGraphIsOneLaunchOfTheHost) {
  const Buffer number(std::vector<uint32_t>{0});
  const CUfunction function = adder();
  begin();
  for (int i = 0; i < 3; ++i)
    add_one(function, number, stream_);
  const CUgraphExec graph = finish();
  nampemu_reset_counters();
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_launches_of("k"), 6U);
  EXPECT_EQ(counters().launches, 2U);
  EXPECT_EQ(counters().graph_launches, 6U);
  EXPECT_EQ(counters().host_waits, 0U);
}

TEST_F(GraphTest, ArgumentsAreThoseOfTheCapture) {
  const Buffer first(std::vector<uint32_t>{0}), second(std::vector<uint32_t>{0});
  const CUfunction function = adder();
  CUdeviceptr address = first.address();
  void* parameters[] = {&address};
  begin();
  ASSERT_EQ(cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream_, parameters, nullptr),
            CUDA_SUCCESS);
  const CUgraphExec graph = finish();
  address = second.address();
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  EXPECT_EQ(peek(first), 1U);
  EXPECT_EQ(peek(second), 0U);
}

TEST_F(GraphTest, PinnedMemoryIsReadAtEachLaunch) {
  const Buffer number(std::vector<uint32_t>{0});
  void* pinned = nullptr;
  ASSERT_EQ(cuMemHostAlloc(&pinned, 4, 0), CUDA_SUCCESS);
  begin();
  ASSERT_EQ(cuMemcpyHtoDAsync_v2(number.address(), pinned, 4, stream_), CUDA_SUCCESS);
  const CUgraphExec graph = finish();
  for (const uint32_t value : {3U, 4U}) {
    *static_cast<uint32_t*>(pinned) = value;
    ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
    ASSERT_EQ(cuStreamSynchronize(stream_), CUDA_SUCCESS);
    EXPECT_EQ(peek(number), value);
  }
  EXPECT_EQ(cuMemFreeHost(pinned), CUDA_SUCCESS);
}

TEST_F(GraphTest, AProductOfTheStandInIsANode) {
  const Buffer a(std::vector<float>{2}), b(std::vector<float>{3}), c(std::vector<float>{1});
  cublasHandle_t handle = nullptr;
  ASSERT_EQ(cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
  ASSERT_EQ(cublasSetStream_v2(handle, stream_), CUBLAS_STATUS_SUCCESS);
  const float one = 1;
  const auto pointer = [](const Buffer& buffer) {
    return reinterpret_cast<void*>(buffer.address());
  };
  begin();
  ASSERT_EQ(cublasGemmEx(handle, 0, 0, 1, 1, 1, &one, pointer(a), CUDA_R_32F, 1, pointer(b),
                         CUDA_R_32F, 1, &one, pointer(c), CUDA_R_32F, 1, CUBLAS_COMPUTE_32F, -1),
            CUBLAS_STATUS_SUCCESS);
  const CUgraphExec graph = finish();
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  ASSERT_EQ(cuStreamSynchronize(stream_), CUDA_SUCCESS);
  EXPECT_EQ(c.read<float>(), std::vector<float>{13});
  EXPECT_EQ(cublasDestroy_v2(handle), CUBLAS_STATUS_SUCCESS);
}

TEST_F(GraphTest, AStreamThatWaitsForAnEventOfACaptureIsPartOfIt) {
  const Buffer number(std::vector<uint32_t>{1}), copied(std::vector<uint32_t>{0});
  begin();
  set(number, 2, stream_);
  fork();
  copy(copied, number, other_);
  join();
  set(number, 3, stream_);
  const CUgraphExec graph = finish();
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  EXPECT_EQ(peek(copied), 2U);
  EXPECT_EQ(peek(number), 3U);
  // The other stream is free again.
  set(number, 9, other_);
  EXPECT_EQ(peek(number), 9U);
}

TEST_F(GraphTest, BranchesThatNothingOrdersAreDoneTheOtherWayRound) {
  const Buffer number(std::vector<uint32_t>{1}), copied(std::vector<uint32_t>{0});
  begin();
  fork();
  set(number, 2, stream_);
  copy(copied, number, other_);
  join();
  const CUgraphExec graph = finish();
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  EXPECT_EQ(peek(copied), 1U);
}

TEST_F(GraphTest, AForkThatIsNotJoinedIs904) {
  const Buffer number(std::vector<uint32_t>{1});
  begin();
  set(number, 2, stream_);
  fork();
  set(number, 3, other_);
  expect_failed(CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
}

TEST_F(GraphTest, AWaitForAnEventFromOutsideIs905) {
  const Buffer number(std::vector<uint32_t>{1});
  set(number, 2, other_);
  ASSERT_EQ(cuEventRecord(join_, other_), CUDA_SUCCESS);
  begin();
  EXPECT_EQ(cuStreamWaitEvent(stream_, join_, 0), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  EXPECT_EQ(status(), 2);
  // Everything that follows hears of it.
  EXPECT_EQ(cuMemsetD32Async(number.address(), 3, 1, stream_),
            CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  expect_failed();
}

TEST_F(GraphTest, TwoCapturesThatMeetAre902) {
  begin();
  ASSERT_EQ(cuStreamBeginCapture_v2(other_, kThread), CUDA_SUCCESS);
  ASSERT_EQ(cuEventRecord(fork_, stream_), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamWaitEvent(other_, fork_, 0), CUDA_ERROR_STREAM_CAPTURE_MERGE);
  expect_failed();
  CUgraph graph = nullptr;
  EXPECT_EQ(cuStreamEndCapture(other_, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
}

TEST_F(GraphTest, TheEndOnAnotherStreamIs903AndOnAnotherThread908) {
  const Buffer number(std::vector<uint32_t>{1});
  CUgraph graph = nullptr;
  EXPECT_EQ(cuStreamEndCapture(stream_, &graph), CUDA_ERROR_ILLEGAL_STATE);
  begin();
  EXPECT_EQ(cuStreamBeginCapture_v2(stream_, kThread), CUDA_ERROR_ILLEGAL_STATE);
  fork();
  EXPECT_EQ(cuStreamEndCapture(other_, &graph), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
  join();
  std::thread([&] {
    ASSERT_EQ(cuCtxSetCurrent(context_), CUDA_SUCCESS);
    EXPECT_EQ(cuStreamEndCapture(stream_, &graph), CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  }).join();
  EXPECT_NE(finish(), nullptr);
}

TEST_F(GraphTest, WaitingForACapturedStreamIs900) {
  begin();
  EXPECT_EQ(cuStreamSynchronize(stream_), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  expect_failed();
  begin();
  EXPECT_EQ(cuStreamQuery(stream_), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  expect_failed();
  begin();
  EXPECT_EQ(cuCtxSynchronize(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  expect_failed();
  EXPECT_EQ(cuStreamBeginCapture_v2(nullptr, kThread), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
}

TEST_F(GraphTest, AnEventOfACaptureIsNoMoment) {
  begin();
  ASSERT_EQ(cuEventRecord(fork_, stream_), CUDA_SUCCESS);
  EXPECT_EQ(cuEventSynchronize(fork_), CUDA_ERROR_CAPTURED_EVENT);
  expect_failed();
  EXPECT_EQ(cuEventSynchronize(fork_), CUDA_ERROR_CAPTURED_EVENT);
  EXPECT_EQ(cuStreamWaitEvent(other_, fork_, 0), CUDA_ERROR_CAPTURED_EVENT);
  ASSERT_EQ(cuEventRecord(fork_, other_), CUDA_SUCCESS);
  EXPECT_EQ(cuEventSynchronize(fork_), CUDA_SUCCESS);
}

TEST_F(GraphTest, UnsafeCallsAreForbiddenByTheModeOfTheCapture) {
  CUdeviceptr address = 0;
  const auto allocate = [&] {
    const CUresult result = cuMemAlloc_v2(&address, 4);
    if (result == CUDA_SUCCESS) {
      cuMemFree_v2(address);
    }
    return result;
  };
  const auto on_another_thread = [&](const auto& call) {
    CUresult result = CUDA_SUCCESS;
    std::thread([&] {
      cuCtxSetCurrent(context_);
      result = call();
    }).join();
    return result;
  };
  ASSERT_EQ(cuEventRecord(join_, other_), CUDA_SUCCESS);

  begin(kThread);
  EXPECT_EQ(on_another_thread(allocate), CUDA_SUCCESS);
  EXPECT_EQ(allocate(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  expect_failed();

  begin(kThread);
  EXPECT_EQ(cuEventQuery(join_), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  expect_failed();

  begin(kGlobal);
  EXPECT_EQ(on_another_thread(allocate), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  expect_failed();

  begin(kRelaxed);
  EXPECT_EQ(allocate(), CUDA_SUCCESS);
  EXPECT_NE(finish(), nullptr);

  // A thread may say that it knows what it does.
  begin(kThread);
  int mode = kRelaxed;
  ASSERT_EQ(cuThreadExchangeStreamCaptureMode(&mode), CUDA_SUCCESS);
  EXPECT_EQ(mode, kGlobal);
  EXPECT_EQ(allocate(), CUDA_SUCCESS);
  ASSERT_EQ(cuThreadExchangeStreamCaptureMode(&mode), CUDA_SUCCESS);
  EXPECT_EQ(mode, kRelaxed);
  EXPECT_NE(finish(), nullptr);
}

TEST_F(GraphTest, TheLegacyStreamMayNotWaitForACaptureOfABlockingStream) {
  const Buffer number(std::vector<uint32_t>{1});
  CUstream blocking = nullptr;
  ASSERT_EQ(cuStreamCreate(&blocking, 0), CUDA_SUCCESS);
  begin();
  EXPECT_EQ(cuMemsetD32Async(number.address(), 2, 1, nullptr), CUDA_SUCCESS);
  EXPECT_NE(finish(), nullptr);
  ASSERT_EQ(cuStreamBeginCapture_v2(blocking, kThread), CUDA_SUCCESS);
  EXPECT_EQ(cuMemsetD32Async(number.address(), 2, 1, nullptr), CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
  CUgraph graph = nullptr;
  EXPECT_EQ(cuStreamEndCapture(blocking, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_EQ(cuStreamDestroy_v2(blocking), CUDA_SUCCESS);
}

TEST_F(GraphTest, MemoryThatIsFreedUnderAGraphIsFoundAtItsLaunch) {
  CUgraphExec graph = nullptr;
  {
    const Buffer number(std::vector<uint32_t>{0});
    const CUfunction function = adder();
    begin();
    add_one(function, number, stream_);
    graph = finish();
  }
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  EXPECT_EQ(cuStreamSynchronize(stream_), CUDA_ERROR_ILLEGAL_ADDRESS);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_USE_AFTER_FREE), 1U) << findings();
  nampemu_reset();
}

TEST_F(GraphTest, AnExecutableGraphOutlivesItsGraphAndALaunchBoth) {
  const Buffer number(std::vector<uint32_t>{0});
  const CUfunction function = adder();
  begin();
  add_one(function, number, stream_);
  const CUgraphExec graph = finish();
  EXPECT_EQ(cuGraphDestroy(graphs_.back()), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphDestroy(graphs_.back()), CUDA_ERROR_INVALID_HANDLE);
  graphs_.clear();
  ASSERT_EQ(cuGraphLaunch(graph, stream_), CUDA_SUCCESS);
  EXPECT_EQ(cuGraphExecDestroy(graph), CUDA_SUCCESS);
  executables_.clear();
  EXPECT_EQ(cuGraphLaunch(graph, stream_), CUDA_ERROR_INVALID_HANDLE);
  EXPECT_EQ(peek(number), 1U);
}

TEST_F(GraphTest, AGraphThatIsLeftIsALeak) {
  begin();
  finish();
  executables_.clear();
  graphs_.clear();
  ASSERT_EQ(cuDevicePrimaryCtxReset_v2(0), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_LEAK), 4U) << findings();  // and streams and events
  ASSERT_EQ(cuDevicePrimaryCtxRetain(&context_, 0), CUDA_SUCCESS);
  for (CUstream* stream : {&stream_, &other_})
    ASSERT_EQ(cuStreamCreate(stream, 1), CUDA_SUCCESS);
  for (CUevent* event : {&fork_, &join_})
    ASSERT_EQ(cuEventCreate(event, 2), CUDA_SUCCESS);
}

}  // namespace
}  // namespace nampemu_test
