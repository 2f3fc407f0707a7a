// Calls that cannot be captured, and how captures fail.
#include "graph_test.h"

namespace namp_test {
namespace {

TEST_F(GraphTest, CallsThatWaitOrReachTheHostAreRefusedByName) {
  void* memory = allocate();
  upload(memory, 1);
  void* pinned = nullptr;
  ASSERT_EQ(namp_memory_allocate_host(&pinned, device_, kBytes), NAMP_OK);
  namp_event* event = nullptr;
  ASSERT_EQ(namp_event_create(&event, device_), NAMP_OK);
  ASSERT_EQ(namp_event_record(event, stream_), NAMP_OK);
  std::vector<float> host(kCount);
  int32_t reached = 0;
  double seconds = 0;
  namp_stream stream = nullptr;
  void* more = nullptr;

  expect_refused("namp_stream_synchronize",
                 [&] { return namp_stream_synchronize(device_, stream_); });
  expect_refused("namp_event_query", [&] { return namp_event_query(&reached, event); });
  expect_refused("namp_event_synchronize", [&] { return namp_event_synchronize(event); });
  expect_refused("namp_event_elapsed", [&] { return namp_event_elapsed(&seconds, event, event); });
  expect_refused("namp_memory_copy", [&] {
    return namp_memory_copy(device_, memory, host.data(), kBytes, NAMP_COPY_HOST_TO_DEVICE,
                            stream_);
  });
  expect_refused("namp_memory_copy", [&] {
    return namp_memory_copy(device_, host.data(), memory, kBytes, NAMP_COPY_DEVICE_TO_HOST,
                            stream_);
  });
  expect_refused("namp_memory_trim", [&] { return namp_memory_trim(device_); });
  expect_refused("a new stream", [&] { return namp_stream_create(&stream, device_); });
  expect_refused("the end of a stream", [&] { return namp_stream_destroy(device_, stream_); });
  expect_refused("pinned memory", [&] { return namp_memory_allocate_host(&more, device_, 8); });
  expect_refused("pinned memory", [&] { return namp_memory_free_host(device_, pinned); });
  expect_refused("another one", [&] { return namp_graph_begin(device_, stream_); });

  EXPECT_EQ(namp_memory_free_host(device_, pinned), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(event), NAMP_OK);
  free(memory);
}

TEST_F(GraphTest, NothingIsAskedOfTheDriver) {
  void* memory = allocate();
  upload(memory, 1);
  // 24 MiB: no class of that size was ever used here.
  void* large = nullptr;
  expect_refused("the cache has no", [&] {
    return namp_memory_allocate(&large, device_, 24 << 20, NAMP_MEMORY_OTHER, stream_);
  });
  expect_refused("the kernel add_kernel is loaded", [&] { return add(memory, memory, memory); });
  // After the call was made once the same is captured.
  ASSERT_EQ(add(memory, memory, memory), NAMP_OK);
  begin();
  ASSERT_EQ(add(memory, memory, memory), NAMP_OK);
  namp_graph* graph = end();
  launch(graph);
  EXPECT_EQ(download(memory), all(4));
  destroy(graph);
  free(memory);
}

TEST_F(GraphTest, WorkspacesOfProductsAreRefusedUntilTheyAreLargeEnough) {
  constexpr int64_t n = 16;
  std::vector<float> host(n * n, 1);
  void *a = allocate(n * n * 4), *c = allocate(n * n * 4);
  ASSERT_EQ(namp_memory_copy(device_, a, host.data(), n * n * 4, NAMP_COPY_HOST_TO_DEVICE, stream_),
            NAMP_OK);
  auto args = make_args<namp_gemm_args>();
  args.m = args.n = args.k = args.lda = args.ldb = args.ldc = n;
  args.a = args.b = a;
  args.c = c;
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT32;
  args.alpha = 1;
  // It lacks cuBLAS, its workspace, or our own kernel.
  expect_refused("Make", [&] { return namp_gemm(device_, &args, stream_); });
  ASSERT_EQ(namp_gemm(device_, &args, stream_), NAMP_OK);
  begin();
  ASSERT_EQ(namp_gemm(device_, &args, stream_), NAMP_OK) << namp_last_error_message();
  namp_graph* graph = end();
  launch(graph);
  EXPECT_EQ(download(c, n * n), std::vector<float>(n * n, n));
  destroy(graph);
  free(a);
  free(c);
}

TEST_F(GraphTest, AFailureOfTheDriverIsNamedAndLeavesNothing) {
  const EmulatedGpu* emulator = emulated_gpu();
  if (emulator == nullptr) GTEST_SKIP() << "only the emulated GPU fails on demand";
  void *in = allocate(), *sum = allocate();
  upload(in, 1);
  upload(sum, 0);
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  for (const char* function : {"cuStreamBeginCapture", "cuGraphInstantiateWithFlags"}) {
    ASSERT_EQ(emulator->fail(function, 1, 999), 0);
    namp_graph* graph = nullptr;
    int32_t status = namp_graph_begin(device_, stream_);
    if (status == NAMP_OK) {
      ASSERT_EQ(add(sum, sum, in), NAMP_OK);
      status = namp_graph_end(&graph, device_);
    }
    EXPECT_EQ(status, NAMP_ERROR_DEVICE);
    EXPECT_NE(std::string(namp_last_error_message()).find(function), std::string::npos);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(emulator->live_graphs(), 0U);
  }
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  EXPECT_EQ(download(sum), all(2));
  free(in);
  free(sum);
}

TEST_F(GraphTest, BadArgumentsAreRefused) {
  EXPECT_EQ(namp_graph_begin(nullptr, stream_), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_graph_end(nullptr, device_), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_graph_cancel(nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_graph_launch(nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_graph_destroy(nullptr), NAMP_OK);
  ASSERT_EQ(namp_profile_start(), NAMP_OK);
  EXPECT_EQ(namp_graph_begin(device_, stream_), NAMP_ERROR_CAPTURE);
  EXPECT_NE(std::string(namp_last_error_message()).find("profile"), std::string::npos);
  ASSERT_EQ(namp_profile_stop(), NAMP_OK);
  // A device does not close under a graph.
  begin();
  namp_graph* graph = end();
  EXPECT_EQ(namp_device_close(device_.handle()), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_NE(std::string(namp_last_error_message()).find("1 graphs"), std::string::npos);
  destroy(graph);
}

TEST(GraphOnCpu, IsNotSupported) {
  Device device;
  device.open(Where::kCpu);
  EXPECT_EQ(namp_graph_begin(device, nullptr), NAMP_ERROR_UNSUPPORTED);
  EXPECT_EQ(namp_graph_cancel(device), NAMP_ERROR_INVALID_ARGUMENT);
  device.close();
}

}  // namespace
}  // namespace namp_test
