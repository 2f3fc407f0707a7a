// The order of work on several streams (W2 of the hardware review). The emulated GPU does work
// as late as the waits allow, so that each of these fails where an order is missing.
#include <chrono>
#include <future>
#include <thread>

#include "backend_test.h"

namespace namp_test {
namespace {

constexpr int64_t kCount = 3000;
constexpr int64_t kBytes = kCount * 4;

class StreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Device::count(Where::kGpu) < 1) GTEST_SKIP() << "there is no GPU";
    device_.open(Where::kGpu);
    ASSERT_EQ(namp_stream_create(&stream_, device_), NAMP_OK);
    ASSERT_EQ(namp_event_create(&event_, device_), NAMP_OK);
  }
  void TearDown() override {
    if (device_.handle() == nullptr) return;
    EXPECT_EQ(namp_event_destroy(event_), NAMP_OK);
    EXPECT_EQ(namp_stream_destroy(device_, stream_), NAMP_OK);
    device_.close();
    expect_no_findings();
  }

  void* allocate(namp_stream stream = nullptr) {
    void* memory = nullptr;
    EXPECT_EQ(namp_memory_allocate(&memory, device_, kBytes, NAMP_MEMORY_OTHER, stream), NAMP_OK);
    return memory;
  }
  void free(void* memory, namp_stream stream = nullptr) {
    EXPECT_EQ(namp_memory_free(device_, memory, stream), NAMP_OK);
  }
  void upload(void* memory, float value, namp_stream stream = nullptr) {
    const std::vector<float> values(kCount, value);
    EXPECT_EQ(
        namp_memory_copy(device_, memory, values.data(), kBytes, NAMP_COPY_HOST_TO_DEVICE, stream),
        NAMP_OK);
  }
  std::vector<float> download(const void* memory, namp_stream stream) {
    std::vector<float> values(kCount);
    EXPECT_EQ(
        namp_memory_copy(device_, values.data(), memory, kBytes, NAMP_COPY_DEVICE_TO_HOST, stream),
        NAMP_OK);
    return values;
  }
  // A kernel: out = in.
  void copy(void* out, const void* in, namp_stream stream) {
    EXPECT_EQ(
        cast(device_, cell(out, NAMP_FLOAT32), cell(in, NAMP_FLOAT32), kCount, nullptr, stream),
        NAMP_OK)
        << namp_last_error_message();
  }
  void order(namp_stream later, namp_stream earlier) {
    EXPECT_EQ(namp_event_record(event_, earlier), NAMP_OK);
    EXPECT_EQ(namp_stream_wait_event(device_, later, event_), NAMP_OK);
  }

  const std::vector<float> ones_ = std::vector<float>(kCount, 1.0f);
  Device device_;
  namp_stream stream_ = nullptr;
  namp_event* event_ = nullptr;
};

TEST_F(StreamTest, AStreamWaitsForAnEventOfAnother) {
  void *in = allocate(), *out = allocate(stream_);
  upload(in, 1.0f);
  order(stream_, nullptr);
  copy(out, in, stream_);
  EXPECT_EQ(download(out, stream_), ones_);
  free(in, stream_);
  free(out, stream_);
}

TEST_F(StreamTest, ANewStreamComesAfterWhatTheDeviceWasGivenBefore) {
  void *in = allocate(), *out = allocate();
  upload(in, 1.0f);
  namp_stream late = nullptr;
  ASSERT_EQ(namp_stream_create(&late, device_), NAMP_OK);
  copy(out, in, late);
  EXPECT_EQ(download(out, late), ones_);
  free(in, late);
  free(out, late);
  EXPECT_EQ(namp_stream_destroy(device_, late), NAMP_OK);
}

// Freed memory is handed out again only after the work of another stream with it.
TEST_F(StreamTest, FreedMemoryWaitsForTheStreamThatFreesIt) {
  void *in = allocate(), *out = allocate(stream_);
  upload(in, 1.0f);
  order(stream_, nullptr);
  copy(out, in, stream_);
  free(in, stream_);
  void* again = allocate();
  EXPECT_EQ(again, in);
  upload(again, 2.0f);
  EXPECT_EQ(namp_stream_synchronize(device_, nullptr), NAMP_OK);  // the overwriting comes first
  EXPECT_EQ(download(out, stream_), ones_);
  free(again);
  free(out, stream_);
}

TEST_F(StreamTest, FreedMemoryWaitsForTheStreamsThatWereRecorded) {
  void *in = allocate(), *out = allocate(stream_);
  upload(in, 1.0f);
  order(stream_, nullptr);
  copy(out, in, stream_);
  EXPECT_EQ(namp_memory_record_stream(device_, in, stream_), NAMP_OK);
  free(in);
  void* again = allocate();
  EXPECT_EQ(again, in);
  upload(again, 2.0f);
  EXPECT_EQ(namp_stream_synchronize(device_, nullptr), NAMP_OK);
  EXPECT_EQ(download(out, stream_), ones_);
  free(again);
  free(out, stream_);
}

TEST_F(StreamTest, MemoryOfAStreamThatEndedIsTheDevicesOwn) {
  namp_stream brief = nullptr;
  ASSERT_EQ(namp_stream_create(&brief, device_), NAMP_OK);
  void *kept = allocate(brief), *cached = allocate(brief);
  upload(kept, 1.0f, brief);
  free(cached, brief);
  EXPECT_EQ(namp_memory_record_stream(device_, kept, stream_), NAMP_OK);
  EXPECT_EQ(namp_stream_destroy(device_, brief), NAMP_OK);
  EXPECT_EQ(download(kept, nullptr), ones_);
  free(kept);
  void* again = allocate();
  EXPECT_EQ(again, kept);
  free(again);
}

// A table's cells and chunks are memory, too: a queued step still reads them.
TEST_F(StreamTest, ATableThatIsDestroyedOutlivesItsQueuedWork) {
  void *in = allocate(), *out = allocate(stream_);
  upload(in, 1.0f);
  order(stream_, nullptr);
  int64_t counts[] = {kCount};
  namp_cell cells[] = {cell(in, NAMP_FLOAT32), cell(out, NAMP_FLOAT32)};
  auto description = make_args<namp_table_description>();
  description.column_count = 2;
  description.tensor_count = 1;
  description.counts = counts;
  description.cells = cells;
  namp_table* table = nullptr;
  ASSERT_EQ(namp_table_create(&table, device_, &description), NAMP_OK);
  ASSERT_EQ(namp_cast_table(table, 1, 0, nullptr, stream_), NAMP_OK);
  ASSERT_EQ(namp_table_destroy(table), NAMP_OK);
  // Another takes its place at once.
  std::swap(cells[0], cells[1]);
  namp_table* other = nullptr;
  ASSERT_EQ(namp_table_create(&other, device_, &description), NAMP_OK);
  EXPECT_EQ(download(out, stream_), ones_);
  ASSERT_EQ(namp_table_destroy(other), NAMP_OK);
  free(in, stream_);
  free(out, stream_);
}

TEST_F(StreamTest, ATablesColumnsChangeInTheOrderOfTheStream) {
  void *in = allocate(stream_), *out = allocate(stream_), *other = allocate(stream_);
  upload(in, 1.0f, stream_);
  upload(other, 2.0f, stream_);
  Table table(device_, {kCount}, {{cell(in, NAMP_FLOAT32), cell(out, NAMP_FLOAT32)}});
  ASSERT_EQ(namp_cast_table(table, 1, 0, nullptr, stream_), NAMP_OK);
  const namp_cell moved[] = {cell(other, NAMP_FLOAT32)};
  ASSERT_EQ(namp_table_set_column(table, 0, moved, stream_), NAMP_OK);
  EXPECT_EQ(download(out, stream_), ones_);
  ASSERT_EQ(namp_cast_table(table, 1, 0, nullptr, stream_), NAMP_OK);
  EXPECT_EQ(download(out, stream_), std::vector<float>(kCount, 2.0f));
  free(in, stream_);
  free(out, stream_);
  free(other, stream_);
}

TEST_F(StreamTest, PinnedMemoryIsWrittenInTheOrderOfTheStream) {
  void* in = allocate();
  void* pinned = nullptr;
  ASSERT_EQ(namp_memory_allocate_host(&pinned, device_, kBytes), NAMP_OK);
  auto* values = static_cast<float*>(pinned);
  EXPECT_EQ(values[0], 0.0f);
  upload(in, 1.0f);
  ASSERT_EQ(namp_memory_copy_async(device_, pinned, in, kBytes, NAMP_COPY_DEVICE_TO_HOST, nullptr),
            NAMP_OK);
  ASSERT_EQ(namp_event_record(event_, nullptr), NAMP_OK);
  if (emulated_gpu() != nullptr) {
    EXPECT_EQ(values[0], 0.0f) << "it was not its turn";
  }
  ASSERT_EQ(namp_event_synchronize(event_), NAMP_OK);
  EXPECT_EQ(std::vector<float>(values, values + kCount), ones_);
  int32_t reached = 0;
  ASSERT_EQ(namp_event_query(&reached, event_), NAMP_OK);
  EXPECT_EQ(reached, 1);
  EXPECT_EQ(namp_memory_free_host(device_, values + 1), NAMP_ERROR_INVALID_ARGUMENT);
  ASSERT_EQ(namp_memory_free_host(device_, pinned), NAMP_OK);
  EXPECT_EQ(namp_memory_free_host(device_, pinned), NAMP_ERROR_INVALID_ARGUMENT) << "twice";
  free(in);
}

// A function of the host on a stream, which waits for another thread's copies.
struct Busy {
  std::promise<void> begun, over;
  bool in_time = false;

  static void wait(void* data) {
    auto& busy = *static_cast<Busy*>(data);
    busy.begun.set_value();
    busy.in_time =
        busy.over.get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  }
};

TEST_F(StreamTest, ADownloadThatWaitsForItsStreamKeepsNoOtherThreadsCopiesWaiting) {
  if (emulated_gpu() == nullptr) GTEST_SKIP() << "a host function is put on a stream by hand";
  const auto call = [](const char* name, auto... arguments) {
    using Function = int (*)(decltype(arguments)...);
    const auto function = reinterpret_cast<Function>(emulated_gpu()->symbol(name));
    EXPECT_EQ(function(arguments...), 0) << name;
  };
  void *late = allocate(), *other = allocate();
  upload(late, 1.0f);
  order(stream_, nullptr);
  Busy busy;
  void *context = nullptr, *popped = nullptr;
  call("cuDevicePrimaryCtxRetain", &context, 0);
  call("cuCtxPushCurrent_v2", context);
  call("cuLaunchHostFunc", stream_, &Busy::wait, static_cast<void*>(&busy));
  call("cuCtxPopCurrent_v2", &popped);

  std::vector<float> seen;
  std::thread beside([&] {
    busy.begun.get_future().wait();
    upload(other, 2.0f);
    seen = download(other, nullptr);
    busy.over.set_value();
  });
  EXPECT_EQ(download(late, stream_), ones_);
  beside.join();

  EXPECT_TRUE(busy.in_time) << "the copies waited for a stream that they have nothing to do with";
  EXPECT_EQ(seen, std::vector<float>(kCount, 2.0f));
  call("cuDevicePrimaryCtxRelease_v2", 0);
  free(late);
  free(other);
}

TEST_F(StreamTest, TheDevicesOwnStreamHasAHandleForOthers) {
  namp_stream own = nullptr;
  ASSERT_EQ(namp_device_get_stream(&own, device_), NAMP_OK);
  EXPECT_NE(own, nullptr);
  EXPECT_NE(own, stream_);
  void *in = allocate(), *out = allocate();
  upload(in, 1.0f);
  copy(out, in, own);
  EXPECT_EQ(download(out, nullptr), ones_);
  free(in);
  free(out);
}

// CUDA's default stream is one like any other.
TEST_F(StreamTest, TheDriversDefaultStreamIsNamedByItsHandle) {
  const namp_stream legacy = reinterpret_cast<namp_stream>(1);
  void *in = allocate(), *out = allocate(legacy);
  upload(in, 1.0f);
  order(legacy, nullptr);
  copy(out, in, legacy);
  EXPECT_EQ(download(out, legacy), ones_);
  free(in, legacy);
  free(out, legacy);
}

TEST_F(StreamTest, EventsOfAnotherDeviceAndUnrecordedOnesAreRefused) {
  int32_t reached = 0;
  EXPECT_EQ(namp_event_query(&reached, event_), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_event_synchronize(event_), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_stream_wait_event(device_, stream_, event_), NAMP_OK);  // waits for nothing
  Device cpu;
  cpu.open(Where::kCpu);
  EXPECT_EQ(namp_stream_wait_event(cpu, nullptr, event_), NAMP_ERROR_INVALID_ARGUMENT);
  cpu.close();
}

}  // namespace
}  // namespace namp_test
