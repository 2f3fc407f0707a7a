// Launches of graphs: their work, their numbers, and the threads and streams of a capture. On the
// emulated GPU, which counts, and does unordered work late.
#include <chrono>
#include <future>
#include <thread>

#include "graph_test.h"

namespace namp_test {
namespace {

TEST_F(GraphTest, ALaunchRepeatsWhatWasCapturedWithTheNumbersOfTheMoment) {
  void *in = allocate(), *sum = allocate();
  upload(in, 1);
  upload(sum, 0);
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  begin();
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  ASSERT_EQ(namp_memory_copy(device_, in, sum, kBytes, NAMP_COPY_DEVICE_TO_DEVICE, stream_),
            NAMP_OK);
  namp_graph* graph = end();
  EXPECT_EQ(download(sum), all(1));
  launch(graph);
  EXPECT_EQ(download(sum), all(2));
  upload(in, 5);
  launch(graph);
  EXPECT_EQ(download(sum), all(7));
  EXPECT_EQ(download(in), all(7));
  destroy(graph);
  free(in);
  free(sum);
}

TEST_F(GraphTest, ALaunchIsOneCallOfTheDriverAndWaitsForNothing) {
  const EmulatedGpu* emulator = emulated_gpu();
  if (emulator == nullptr) GTEST_SKIP() << "only the emulated GPU counts";
  void *in = allocate(), *sum = allocate();
  upload(in, 1);
  upload(sum, 0);
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  begin();
  for (int i = 0; i < 5; ++i)
    ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  namp_graph* graph = end();
  ASSERT_EQ(namp_stream_synchronize(device_, stream_), NAMP_OK);
  emulator->reset_counters();
  launch(graph);
  EXPECT_EQ(emulator->calls_of("cuGraphLaunch"), 1U);
  EXPECT_EQ(emulator->calls_of("cuLaunchKernel"), 0U);
  nampemu_counters counters{};
  emulator->get_counters(&counters, sizeof(counters));
  EXPECT_EQ(counters.launches, 1U);
  EXPECT_EQ(counters.graph_launches, 5U);
  EXPECT_EQ(counters.host_waits, 0U);
  destroy(graph);
  free(in);
  free(sum);
}

TEST_F(GraphTest, TheDevicesOwnStreamCanBeCaptured) {
  namp_stream kept = stream_;
  stream_ = nullptr;
  void *in = allocate(), *sum = allocate();
  upload(in, 1);
  upload(sum, 0);
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  begin();
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  namp_graph* graph = end();
  launch(graph);
  EXPECT_EQ(download(sum), all(2));
  destroy(graph);
  free(in);
  free(sum);
  stream_ = kept;
}

TEST_F(GraphTest, AStreamThatWaitsForAnEventOfTheCaptureIsPartOfTheGraph) {
  void *in = allocate(), *sum = allocate();
  upload(in, 1);
  upload(sum, 0);
  namp_event *fork = nullptr, *join = nullptr;
  ASSERT_EQ(namp_event_create(&fork, device_), NAMP_OK);
  ASSERT_EQ(namp_event_create(&join, device_), NAMP_OK);
  namp_stream other = nullptr;
  ASSERT_EQ(namp_stream_create(&other, device_), NAMP_OK);
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  begin();
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  ASSERT_EQ(namp_event_record(fork, stream_), NAMP_OK);
  ASSERT_EQ(namp_stream_wait_event(device_, other, fork), NAMP_OK);
  ASSERT_EQ(namp_memory_copy(device_, in, sum, kBytes, NAMP_COPY_DEVICE_TO_DEVICE, other), NAMP_OK);
  ASSERT_EQ(namp_event_record(join, other), NAMP_OK);
  ASSERT_EQ(namp_stream_wait_event(device_, stream_, join), NAMP_OK);
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  namp_graph* graph = end();
  launch(graph);  // 2, then twice that
  EXPECT_EQ(download(sum), all(4));
  // An event of a capture is no moment, until it is recorded anew.
  int32_t reached = 0;
  EXPECT_EQ(namp_event_query(&reached, fork), NAMP_ERROR_CAPTURE);
  EXPECT_NE(std::string(namp_last_error_message()).find("stands for no moment"), std::string::npos);
  EXPECT_EQ(namp_event_synchronize(fork), NAMP_ERROR_CAPTURE);
  EXPECT_EQ(namp_stream_wait_event(device_, other, fork), NAMP_ERROR_CAPTURE);
  EXPECT_EQ(namp_event_record(fork, stream_), NAMP_OK);
  EXPECT_EQ(namp_event_synchronize(fork), NAMP_OK);
  destroy(graph);
  EXPECT_EQ(namp_stream_destroy(device_, other), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(fork), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(join), NAMP_OK);
  free(in);
  free(sum);
}

TEST_F(GraphTest, OtherThreadsGoOnWithTheStreamDuringACapture) {
  void *in = allocate(), *sum = allocate(), *theirs = allocate();
  upload(in, 1);
  upload(sum, 0);
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  begin();
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  const auto other = std::async(std::launch::async, [&] {
    ASSERT_EQ(add(theirs, in, in), NAMP_OK);
    EXPECT_EQ(download(theirs), all(2));
    void* memory = allocate(3 << 20);  // asks the driver
    free(memory);
  });
  ASSERT_EQ(other.wait_for(std::chrono::seconds(60)), std::future_status::ready);
  namp_graph* graph = end();
  EXPECT_EQ(download(sum), all(1));
  upload(theirs, 0);
  launch(graph);
  EXPECT_EQ(download(sum), all(2));
  EXPECT_EQ(download(theirs), all(0)) << "the graph has only this thread's work";
  destroy(graph);
  for (void* memory : {in, sum, theirs})
    free(memory);
}

TEST_F(GraphTest, ACaptureCanBeGivenUp) {
  void *in = allocate(), *sum = allocate();
  upload(in, 1);
  upload(sum, 0);
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  begin();
  ASSERT_EQ(add(sum, sum, in), NAMP_OK);
  EXPECT_EQ(namp_graph_cancel(device_), NAMP_OK);
  EXPECT_EQ(namp_graph_cancel(device_), NAMP_ERROR_INVALID_ARGUMENT);
  namp_graph* graph = nullptr;
  EXPECT_EQ(namp_graph_end(&graph, device_), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(download(sum), all(1));
  begin();
  destroy(end());  // an empty one
  free(in);
  free(sum);
}

}  // namespace
}  // namespace namp_test
