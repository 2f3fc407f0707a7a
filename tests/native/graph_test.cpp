// Graphs: the work and the numbers of a launch, calls that cannot be captured, and whose memory is
// whose. On the emulated GPU, which counts, finds memory that was freed, and does unordered work late.
#include <chrono>
#include <cmath>
#include <functional>
#include <future>
#include <thread>

#include "adam_group.h"
#include "backend_test.h"

namespace namp_test {
namespace {

constexpr int64_t kCount = 3000;
constexpr int64_t kBytes = kCount * 4;

class GraphTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Device::count(Where::kGpu) < 1) GTEST_SKIP() << "there is no GPU";
    device_.open(Where::kGpu);
    ASSERT_EQ(namp_stream_create(&stream_, device_), NAMP_OK);
  }
  void TearDown() override {
    if (device_.handle() == nullptr) return;
    EXPECT_EQ(namp_stream_destroy(device_, stream_), NAMP_OK);
    device_.close();
    expect_no_findings();
  }

  void* allocate(int64_t bytes = kBytes) { return allocate_on(stream_, bytes); }
  void* allocate_on(namp_stream stream, int64_t bytes) {
    void* memory = nullptr;
    EXPECT_EQ(namp_memory_allocate(&memory, device_, bytes, NAMP_MEMORY_OTHER, stream), NAMP_OK)
        << namp_last_error_message();
    return memory;
  }
  void free(void* memory) { EXPECT_EQ(namp_memory_free(device_, memory, stream_), NAMP_OK); }
  void upload(void* memory, float value) {
    const std::vector<float> values(kCount, value);
    EXPECT_EQ(
        namp_memory_copy(device_, memory, values.data(), kBytes, NAMP_COPY_HOST_TO_DEVICE, stream_),
        NAMP_OK);
  }
  template <class T = float>
  std::vector<T> download(const void* memory, int64_t count = kCount) {
    std::vector<T> values(static_cast<size_t>(count));
    EXPECT_EQ(
        namp_memory_copy(device_, values.data(), memory, count * static_cast<int64_t>(sizeof(T)),
                         NAMP_COPY_DEVICE_TO_HOST, stream_),
        NAMP_OK);
    return values;
  }
  // A kernel: out = a + b.
  int32_t add(void* out, const void* a, const void* b) {
    auto args = make_args<namp_add_args>();
    args.out = out;
    args.a = a;
    args.b = b;
    args.out_dtype = args.a_dtype = args.b_dtype = NAMP_FLOAT32;
    args.alpha = args.beta = 1;
    args.count = args.b_period = kCount;
    return namp_add(device_, &args, stream_);
  }
  void begin() {
    ASSERT_EQ(namp_graph_begin(device_, stream_), NAMP_OK) << namp_last_error_message();
  }
  namp_graph* end() {
    namp_graph* graph = nullptr;
    EXPECT_EQ(namp_graph_end(&graph, device_), NAMP_OK) << namp_last_error_message();
    return graph;
  }
  void launch(namp_graph* graph) {
    ASSERT_EQ(namp_graph_launch(graph), NAMP_OK) << namp_last_error_message();
  }
  void destroy(namp_graph* graph) { EXPECT_EQ(namp_graph_destroy(graph), NAMP_OK); }

  // The call is refused with this text; so is the end of its capture, which is over then.
  void expect_refused(const std::string& text, const std::function<int32_t()>& call) {
    begin();
    EXPECT_EQ(call(), NAMP_ERROR_CAPTURE) << text;
    const std::string message = namp_last_error_message();
    EXPECT_NE(message.find(text), std::string::npos) << message;
    namp_graph* graph = nullptr;
    EXPECT_EQ(namp_graph_end(&graph, device_), NAMP_ERROR_CAPTURE);
    EXPECT_EQ(graph, nullptr);
    EXPECT_EQ(namp_last_error_message(), message);
    EXPECT_EQ(namp_stream_synchronize(device_, stream_), NAMP_OK);
  }

  Device device_;
  namp_stream stream_ = nullptr;
};

std::vector<float> all(float value) { return std::vector<float>(kCount, value); }

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

TEST_F(GraphTest, DropoutDrawsFromItsBaseOnTheDevice) {
  void *in = allocate(), *out = allocate();
  upload(in, 1);
  auto* base = static_cast<uint64_t*>(allocate(8));
  const auto set_base = [&](uint64_t value) {
    EXPECT_EQ(namp_memory_copy(device_, base, &value, 8, NAMP_COPY_HOST_TO_DEVICE, stream_),
              NAMP_OK);
  };
  const auto drop = [&](uint64_t offset, const uint64_t* from) {
    ASSERT_EQ(namp_dropout(device_, out, in, NAMP_FLOAT32, kCount, 0.5f, 7, offset, from, stream_),
              NAMP_OK);
  };
  set_base(0);
  drop(3, base);
  begin();
  drop(3, base);
  namp_graph* graph = end();
  for (const uint64_t value : {uint64_t{0}, uint64_t{5001}, uint64_t{1} << 40}) {
    set_base(value);
    launch(graph);
    const std::vector<float> drawn = download(out);
    drop(3 + value, nullptr);
    EXPECT_EQ(drawn, download(out)) << value;
  }
  destroy(graph);
  for (void* memory : {in, out, static_cast<void*>(base)})
    free(memory);
}

// Steps of Adam over one tensor, whose learning rate depends on how many were applied: by a graph, and
// each by itself.
TEST_F(GraphTest, AnOptimizersRowsAreThoseThatWereWrittenBeforeTheLaunch) {
  constexpr int kSteps = 6;
  std::vector<std::vector<float>> results;
  for (const bool captured : {false, true}) {
    void *gradient = allocate(), *parameter = allocate(), *m = allocate(), *v = allocate();
    upload(gradient, 0.5f);
    upload(parameter, 1);
    upload(m, 0);
    upload(v, 0);
    const std::vector<namp_cell> cells = {cell(gradient, NAMP_FLOAT32),
                                          cell(parameter, NAMP_FLOAT32), cell(m, NAMP_FLOAT32),
                                          cell(v, NAMP_FLOAT32)};
    auto description = make_args<namp_table_description>();
    description.column_count = 4;
    description.tensor_count = 1;
    description.counts = &kCount;
    description.cells = cells.data();
    namp_table* table = nullptr;
    ASSERT_EQ(namp_table_create(&table, device_, &description), NAMP_OK);
    auto* state = static_cast<namp_optimizer_state*>(allocate(sizeof(namp_optimizer_state)));
    auto* steps = static_cast<int64_t*>(allocate(8));
    auto* rows = static_cast<namp_optimizer_rows*>(
        allocate(sizeof(namp_optimizer_rows) + 2 * sizeof(namp_optimizer_group)));
    for (const auto& [memory, bytes] :
         {std::pair<void*, int64_t>{state, sizeof(namp_optimizer_state)}, {steps, 8}})
      ASSERT_EQ(namp_memory_fill(device_, memory, 0, bytes, stream_), NAMP_OK);

    std::vector<namp_optimizer_group> groups(2);
    auto args = make_args<namp_optimizer_args>();
    args.rule = NAMP_RULE_ADAM;
    args.columns = {1, 0, {2, 3, -1}, -1};
    args.group_count = 1;
    args.row_count = 2;
    args.advance_step = 1;
    args.check_gradients = 1;
    args.groups = groups.data();
    args.steps = steps;
    args.rows = captured ? rows : nullptr;
    // Two rows, of which the device takes the second.
    const auto set_rates = [&](int64_t step) {
      args.first_step = step - 1;
      groups[0] = adam_group(100, 0.9, 0.999, 1e-8, 0.01);
      groups[1] = adam_group(0.1 * static_cast<double>(step + 1), 0.9, 0.999, 1e-8, 0.01);
    };
    const auto step = [&] {
      ASSERT_EQ(namp_optimizer_step(table, &args, nullptr, state, stream_), NAMP_OK)
          << namp_last_error_message();
    };
    const auto write = [&] {
      ASSERT_EQ(namp_optimizer_write_rows(rows, table, &args, stream_), NAMP_OK)
          << namp_last_error_message();
    };
    namp_graph* graph = nullptr;
    for (int64_t i = 0; i < kSteps; ++i) {
      set_rates(i);
      if (i == 0) args.first_step = 0, groups[0] = groups[1];
      if (captured) write();
      if (captured && i == 2) {
        begin();
        step();
        graph = end();
      }
      graph != nullptr ? launch(graph) : step();
    }
    results.push_back(download(parameter));
    EXPECT_EQ(download<int64_t>(steps, 1)[0], kSteps);
    // A rate that no step may have is refused before it is written.
    groups[1].learning_rate = NAN;
    EXPECT_EQ(namp_optimizer_write_rows(rows, table, &args, stream_), NAMP_ERROR_INVALID_ARGUMENT);
    destroy(graph);
    ASSERT_EQ(namp_table_destroy(table), NAMP_OK);
    for (void* memory : std::initializer_list<void*>{gradient, parameter, m, v, state, steps, rows})
      free(memory);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_NE(results[0], all(1));
}

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

TEST_F(GraphTest, MemoryOfTheCaptureIsNobodyElsesWhileTheGraphLives) {
  void *in = allocate(), *out = allocate(), *scratch = allocate();
  upload(in, 1);
  ASSERT_EQ(add(scratch, in, in), NAMP_OK);
  free(scratch);
  begin();
  void* within = allocate();
  EXPECT_EQ(within, scratch);
  ASSERT_EQ(add(within, in, in), NAMP_OK);
  ASSERT_EQ(add(out, within, in), NAMP_OK);
  free(within);
  void* again = allocate();
  EXPECT_EQ(again, within) << "freed memory serves the same capture again";
  free(again);
  namp_graph* graph = end();
  void* other = allocate();
  EXPECT_NE(other, within);
  upload(other, 9);
  for (int i = 0; i < 2; ++i) {
    launch(graph);
    EXPECT_EQ(download(out), all(3));
    EXPECT_EQ(download(other), all(9));
  }
  EXPECT_EQ(namp_memory_trim(device_), NAMP_OK);
  launch(graph);
  EXPECT_EQ(download(out), all(3));
  destroy(graph);
  void* after = allocate();
  EXPECT_EQ(after, within) << "it is the cache's again";
  for (void* memory : {in, out, other, after})
    free(memory);
}

TEST_F(GraphTest, MemoryOfTheCaptureThatIsStillInUseOutlivesTheGraph) {
  void *in = allocate(), *scratch = allocate();
  upload(in, 1);
  ASSERT_EQ(add(scratch, in, in), NAMP_OK);
  free(scratch);
  begin();
  void* kept = allocate();
  ASSERT_EQ(add(kept, in, in), NAMP_OK);
  namp_graph* graph = end();
  launch(graph);
  destroy(graph);
  EXPECT_EQ(download(kept), all(2));
  free(kept);
  void* again = allocate();
  EXPECT_EQ(again, kept);
  free(again);
  free(in);
}

TEST_F(GraphTest, ATableThatIsDestroyedOutlivesTheGraph) {
  void *in = allocate(), *half = allocate();
  upload(in, 1);
  const std::vector<namp_cell> cells = {cell(in, NAMP_FLOAT32), cell(half, NAMP_FLOAT16)};
  auto description = make_args<namp_table_description>();
  description.column_count = 2;
  description.tensor_count = 1;
  description.counts = &kCount;
  description.cells = cells.data();
  namp_table* table = nullptr;
  ASSERT_EQ(namp_table_create(&table, device_, &description), NAMP_OK);
  const auto options = make_args<namp_cast_options>();
  ASSERT_EQ(namp_cast_table(table, 1, 0, &options, stream_), NAMP_OK) << namp_last_error_message();
  begin();
  ASSERT_EQ(namp_cast_table(table, 1, 0, &options, stream_), NAMP_OK);
  namp_graph* graph = end();
  ASSERT_EQ(namp_table_destroy(table), NAMP_OK);
  // These would take the table's memory, if it were free, and overwrite it.
  std::vector<void*> others;
  for (const int64_t bytes : {256, 512, 768, 1024, 1280}) {
    others.push_back(allocate_on(nullptr, bytes));  // as the table's
    ASSERT_EQ(namp_memory_fill(device_, others.back(), 255, bytes, nullptr), NAMP_OK);
  }
  ASSERT_EQ(namp_stream_synchronize(device_, nullptr), NAMP_OK);
  upload(in, 2);
  launch(graph);
  EXPECT_EQ(download<uint16_t>(half), std::vector<uint16_t>(kCount, 0x4000));
  destroy(graph);
  for (void* memory : others)
    EXPECT_EQ(namp_memory_free(device_, memory, nullptr), NAMP_OK);
  free(in);
  free(half);
}

// A loss needs a number of scratch bytes for each row.
TEST_F(GraphTest, AWorkspaceThatGrowsAfterTheCaptureIsKeptForTheGraph) {
  constexpr int64_t kFew = 40, kMany = 100, kClasses = 2;
  void *logits = allocate(kMany * kClasses * 4), *labels = allocate(kMany * 4), *loss = allocate(4);
  ASSERT_EQ(namp_memory_fill(device_, logits, 0, kMany * kClasses * 4, stream_), NAMP_OK);
  ASSERT_EQ(namp_memory_fill(device_, labels, 0, kMany * 4, stream_), NAMP_OK);
  const auto measure = [&](int64_t rows) {
    auto args = make_args<namp_cross_entropy_args>();
    args.logits_dtype = NAMP_FLOAT32;
    args.logits = logits;
    args.labels = static_cast<const int32_t*>(labels);
    args.rows = rows;
    args.classes = kClasses;
    args.ignore_index = -100;
    args.mean = 1;
    args.loss = static_cast<float*>(loss);
    ASSERT_EQ(namp_cross_entropy(device_, &args, stream_), NAMP_OK) << namp_last_error_message();
  };
  measure(kFew);
  begin();
  measure(kFew);
  namp_graph* graph = end();
  measure(kMany);
  // These would take the old workspace, if it were free.
  std::vector<void*> others;
  for (int i = 0; i < 4; ++i) {
    others.push_back(allocate(256));
    ASSERT_EQ(namp_memory_fill(device_, others.back(), 255, 256, stream_), NAMP_OK);
  }
  launch(graph);
  EXPECT_NEAR(download(loss, 1)[0], std::log(2.0f), 1e-6);
  for (void* other : others) {
    EXPECT_EQ(download<uint8_t>(other, 256), std::vector<uint8_t>(256, 255));
    free(other);
  }
  destroy(graph);
  for (void* memory : {logits, labels, loss})
    free(memory);
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
