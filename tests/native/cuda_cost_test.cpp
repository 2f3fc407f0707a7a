// The cost of an optimizer step on a GPU, as counted by the emulated one: launches, bytes, waits;
// and failures of the driver.
#include <map>

#include "adam_group.h"
#include "two_devices.h"

namespace namp_test {
namespace {

class CudaCost : public ::testing::Test {
 protected:
  void SetUp() override {
    emulator_ = emulated_gpu();
    if (emulator_ == nullptr) GTEST_SKIP() << "only the emulated GPU counts";
    if (Device::count(Where::kGpu) == 0) GTEST_SKIP() << namp_last_error_message();
    gpu_.open(Where::kGpu);
  }
  void TearDown() override {
    if (gpu_.handle() != nullptr) gpu_.close();
    expect_no_findings();
  }

  nampemu_counters counters() {
    nampemu_counters c{};
    emulator_->get_counters(&c, sizeof(c));
    return c;
  }

  void* allocate(int64_t bytes) {
    void* memory = nullptr;
    EXPECT_EQ(namp_memory_allocate(&memory, gpu_, bytes, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
    EXPECT_EQ(namp_memory_fill(gpu_, memory, 0, bytes, nullptr), NAMP_OK);
    allocated_.push_back(memory);
    return memory;
  }

  // float16 gradients, FP32 parameters and moments, a float16 copy.
  void make(int64_t tensors, int64_t count) {
    std::vector<namp_cell> cells;
    const std::vector<int64_t> counts(static_cast<size_t>(tensors), count);
    for (int64_t t = 0; t < tensors; ++t) {
      for (int32_t dtype : {NAMP_FLOAT16, NAMP_FLOAT32, NAMP_FLOAT32, NAMP_FLOAT32, NAMP_FLOAT16})
        cells.push_back(cell(allocate(count * element_size(dtype)), dtype));
    }
    auto description = make_args<namp_table_description>();
    description.column_count = 5;
    description.tensor_count = tensors;
    description.counts = counts.data();
    description.cells = cells.data();
    ASSERT_EQ(namp_table_create(&table_, gpu_, &description), NAMP_OK);
    scaler_ = static_cast<namp_scaler_state*>(allocate(sizeof(namp_scaler_state)));
    state_ = static_cast<namp_optimizer_state*>(allocate(sizeof(namp_optimizer_state)));
    steps_ = static_cast<int64_t*>(allocate(tensors * static_cast<int64_t>(sizeof(int64_t))));
    const namp_scaler_state start = scaler_of(1.0f);
    ASSERT_EQ(
        namp_memory_copy(gpu_, scaler_, &start, sizeof(start), NAMP_COPY_HOST_TO_DEVICE, nullptr),
        NAMP_OK);
  }

  int32_t check_and_step() {
    int32_t status = namp_unscale_check(table_, 0, -1, scaler_, state_, 1, nullptr);
    const namp_optimizer_group group = adam_group(1e-3, 0.9, 0.999, 1e-8, 0.01);
    auto args = make_args<namp_optimizer_args>();
    args.group_count = 1;
    args.groups = &group;
    args.rule = NAMP_RULE_ADAM;
    args.columns = {1, 0, {2, 3, -1}, 4, -1};
    args.advance_step = 1;
    args.steps = steps_;
    if (status == NAMP_OK) status = namp_optimizer_step(table_, &args, scaler_, state_, nullptr);
    return status;
  }

  int32_t step() {
    const int32_t status = check_and_step();
    auto options = make_args<namp_scaler_options>();
    options.growth_interval = 2000;
    options.growth_factor = 2;
    options.backoff_factor = 0.5;
    options.maximum_scale = 65536;
    options.hysteresis = 1;
    return status != NAMP_OK ? status
                             : namp_scaler_update(gpu_, scaler_, &state_, 1, &options, nullptr);
  }

  int32_t touch(const int32_t* accesses) {
    return namp_table_touch(nullptr, table_, accesses, nullptr);
  }

  void end() {
    EXPECT_EQ(namp_table_destroy(table_), NAMP_OK);
    table_ = nullptr;
    for (void* memory : allocated_)
      EXPECT_EQ(namp_memory_free(gpu_, memory, nullptr), NAMP_OK);
    allocated_.clear();
  }

  const EmulatedGpu* emulator_ = nullptr;
  Device gpu_;

 private:
  namp_table* table_ = nullptr;
  namp_scaler_state* scaler_ = nullptr;
  namp_optimizer_state* state_ = nullptr;
  int64_t* steps_ = nullptr;
  std::vector<void*> allocated_;
};

TEST_F(CudaCost, a_step_is_three_launches_at_any_number_of_tensors_and_waits_for_nothing) {
  for (int64_t tensors : {1, 10, 1000}) {
    make(tensors, 33);
    ASSERT_EQ(step(), NAMP_OK) << namp_last_error_message();
    const nampemu_counters before = counters();
    ASSERT_EQ(step(), NAMP_OK);
    const nampemu_counters after = counters();
    EXPECT_EQ(after.launches - before.launches, 3u) << tensors << " tensors";
    EXPECT_EQ(after.host_waits, before.host_waits) << tensors << " tensors";
    EXPECT_EQ(after.allocations, before.allocations) << tensors << " tensors";
    end();
  }
}

// So that a function's time is what the device took for it.
TEST_F(CudaCost, while_a_profile_is_measured_every_call_waits_for_its_work) {
  make(10, 33);
  ASSERT_EQ(step(), NAMP_OK) << namp_last_error_message();
  ASSERT_EQ(namp_profile_start(), NAMP_OK);
  const nampemu_counters before = counters();
  ASSERT_EQ(step(), NAMP_OK);
  const nampemu_counters after = counters();
  void* memory = allocate(4096);  // fills it
  const nampemu_counters filled = counters();
  ASSERT_EQ(namp_memory_copy(gpu_, memory, static_cast<char*>(memory) + 2048, 2048,
                             NAMP_COPY_DEVICE_TO_DEVICE, nullptr),
            NAMP_OK);
  const nampemu_counters copied = counters();
  ASSERT_EQ(namp_profile_stop(), NAMP_OK);
  EXPECT_EQ(after.host_waits - before.host_waits, 3u) << "check, Adam, and the scale's update";
  EXPECT_EQ(filled.host_waits - after.host_waits, 1u);
  EXPECT_EQ(copied.host_waits - filled.host_waits, 1u);
  ASSERT_EQ(step(), NAMP_OK);
  EXPECT_EQ(counters().host_waits, copied.host_waits);
  end();
}

TEST_F(CudaCost, check_and_adam_move_thirty_bytes_a_parameter_sixteen_at_a_time) {
  constexpr int64_t kCount = 1 << 20;
  make(1, kCount);
  ASSERT_EQ(check_and_step(), NAMP_OK) << namp_last_error_message();
  const nampemu_counters before = counters();
  ASSERT_EQ(check_and_step(), NAMP_OK);
  const nampemu_counters after = counters();
  double all = 0;
  double wide = 0;
  for (int width = 0; width < 5; ++width) {
    const auto bytes = static_cast<double>(
        after.global.loaded[width] - before.global.loaded[width] + after.global.stored[width] -
        before.global.stored[width] + after.global.atomic[width] - before.global.atomic[width]);
    all += bytes;
    if (width == 4) wide += bytes;
  }
  EXPECT_LE(all / static_cast<double>(kCount), 30.2);
  EXPECT_GE(wide / all, 0.99) << wide << " of " << all;
  end();
}

// The limit that Adam is compared with on a GPU moves the same bytes in the same way.
TEST_F(CudaCost, touching_moves_the_bytes_of_a_step_and_events_time_it) {
  constexpr int64_t kCount = 1 << 20;
  make(1, kCount);
  const int32_t adam[] = {NAMP_ACCESS_READ, NAMP_ACCESS_READ_WRITE, NAMP_ACCESS_READ_WRITE,
                          NAMP_ACCESS_READ_WRITE, NAMP_ACCESS_WRITE};
  namp_event *from = nullptr, *to = nullptr;
  ASSERT_EQ(namp_event_create(&from, gpu_), NAMP_OK) << namp_last_error_message();
  ASSERT_EQ(namp_event_create(&to, gpu_), NAMP_OK);
  const nampemu_counters before = counters();
  ASSERT_EQ(namp_event_record(from, nullptr), NAMP_OK);
  ASSERT_EQ(touch(adam), NAMP_OK) << namp_last_error_message();
  ASSERT_EQ(namp_event_record(to, nullptr), NAMP_OK);
  const nampemu_counters after = counters();
  EXPECT_EQ(after.launches - before.launches, 1u);
  EXPECT_EQ(after.host_waits, before.host_waits);
  // Sixteen bytes at a time: g, p, m and v; p, m, v and the compute copy.
  const uint64_t loaded = after.global.loaded[4] - before.global.loaded[4];
  const uint64_t stored = after.global.stored[4] - before.global.stored[4];
  EXPECT_NEAR(static_cast<double>(loaded) / kCount, 14, 0.1);
  EXPECT_EQ(stored, uint64_t{14} * kCount);
  double seconds = 0;
  ASSERT_EQ(namp_event_elapsed(&seconds, from, to), NAMP_OK) << namp_last_error_message();
  EXPECT_GT(seconds, 0);
  EXPECT_EQ(namp_event_destroy(from), NAMP_OK);
  EXPECT_EQ(namp_event_destroy(to), NAMP_OK);
  end();
}

// Any failure gives a status and a message, and the next call works.
TEST_F(CudaCost, every_driver_function_may_fail_once) {
  make(3, 100);
  std::vector<float> values(1000, 1.5f);
  void* memory = allocate(4000);
  const auto work = [&] {
    int32_t status =
        namp_memory_copy(gpu_, memory, values.data(), 4000, NAMP_COPY_HOST_TO_DEVICE, nullptr);
    if (status == NAMP_OK) status = step();
    if (status == NAMP_OK) {
      status =
          namp_memory_copy(gpu_, values.data(), memory, 4000, NAMP_COPY_DEVICE_TO_HOST, nullptr);
    }
    namp_stream stream = nullptr;
    if (status == NAMP_OK) status = namp_stream_create(&stream, gpu_);
    if (status == NAMP_OK) status = namp_stream_synchronize(gpu_, stream);
    const int32_t ended = namp_stream_destroy(gpu_, stream);
    // A failed call changes nothing: the stream can still be destroyed.
    if (ended != NAMP_OK) {
      EXPECT_EQ(namp_stream_destroy(gpu_, stream), NAMP_OK);
    }
    return status != NAMP_OK ? status : ended;
  };
  ASSERT_EQ(work(), NAMP_OK) << namp_last_error_message();
  constexpr int32_t kLaunchOutOfResources = 701;
  int failed = 0;
  for (const char* function :
       {"cuCtxPushCurrent", "cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync", "cuLaunchKernel",
        "cuEventRecord", "cuStreamSynchronize", "cuStreamCreate"}) {
    emulator_->reset_counters();
    ASSERT_EQ(work(), NAMP_OK) << namp_last_error_message();
    const uint64_t calls = emulator_->calls_of(function);
    ASSERT_GT(calls, 0u) << function;
    for (uint64_t nth = 1; nth <= calls; ++nth) {
      ASSERT_EQ(emulator_->fail(function, nth, kLaunchOutOfResources), 0) << function;
      const int32_t status = work();
      if (status != NAMP_OK) {
        ++failed;
        EXPECT_EQ(status, NAMP_ERROR_DEVICE) << function;
        EXPECT_NE(std::string(namp_last_error_message()).find(function), std::string::npos)
            << namp_last_error_message();
      }
      emulator_->fail_none();
      ASSERT_EQ(work(), NAMP_OK) << function << ", call " << nth << ": "
                                 << namp_last_error_message();
    }
  }
  EXPECT_GT(failed, 15);
  end();
}

// From opening a device to closing it, any failure gives a typed error that names the function,
// leaks nothing, and the next attempt works. Functions that release resources are left out: if they
// fail, the resource is lost, and there is no caller to tell.
TEST_F(CudaCost, a_device_may_fail_to_open_and_to_work_at_every_call) {
  const std::vector<float> values(1000, 1.5f);
  const auto use = [&](namp_device* device, void** memory, namp_stream* stream) -> int32_t {
    auto loss = make_args<namp_mse_args>();
    loss.prediction_dtype = loss.target_dtype = NAMP_FLOAT32;
    loss.count = 1000;
    float result = 0;
    const auto try_each = [](std::initializer_list<std::function<int32_t()>> calls) {
      int32_t status = NAMP_OK;
      for (const auto& call : calls)
        status = status == NAMP_OK ? call() : status;
      return status;
    };
    return try_each({
        [&] { return namp_stream_create(stream, device); },
        [&] { return namp_memory_allocate(memory, device, 8000, NAMP_MEMORY_OTHER, *stream); },
        [&] {
          return namp_memory_copy(device, *memory, values.data(), 4000, NAMP_COPY_HOST_TO_DEVICE,
                                  *stream);
        },
        [&] {
          loss.prediction = loss.target = *memory;
          loss.loss = static_cast<float*>(*memory) + 1000;
          return namp_mse(device, &loss, *stream);
        },
        [&] {
          return namp_memory_copy(device, &result, loss.loss, 4, NAMP_COPY_DEVICE_TO_HOST, *stream);
        },
        [&] { return namp_memory_fill(device, *memory, 0, 8000, *stream); },
    });
  };
  const auto work = [&] {
    namp_device* device = nullptr;
    int32_t status = namp_device_open(&device, NAMP_DEVICE_CUDA, 0);
    if (status != NAMP_OK) return std::make_pair(status, std::string(namp_last_error_message()));
    void* memory = nullptr;
    namp_stream stream = nullptr;
    status = use(device, &memory, &stream);
    std::string message = namp_last_error_message();
    EXPECT_EQ(namp_memory_free(device, memory, stream), NAMP_OK);
    EXPECT_EQ(namp_stream_destroy(device, stream), NAMP_OK) << namp_last_error_message();
    EXPECT_EQ(namp_device_close(device), NAMP_OK) << namp_last_error_message();
    return std::make_pair(status, message);
  };
  ASSERT_EQ(work().first, NAMP_OK) << namp_last_error_message();
  emulator_->reset_counters();
  ASSERT_EQ(work().first, NAMP_OK);
  std::map<std::string, uint64_t> calls;
  for (size_t i = 0; emulator_->called_function(i) != nullptr; ++i) {
    const std::string function = emulator_->called_function(i);
    calls[function] = emulator_->calls_of(function.c_str());
  }
  const size_t allocations = emulator_->live_allocations();
  const size_t modules = emulator_->live_modules();
  int failed = 0;
  for (const char* function :
       {"cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuDeviceGetAttribute", "cuStreamCreate",
        "cuMemAlloc", "cuMemHostAlloc", "cuEventCreate", "cuMemcpyHtoDAsync", "cuEventRecord",
        "cuModuleLoadDataEx", "cuModuleGetFunction", "cuOccupancyMaxActiveBlocksPerMultiprocessor",
        "cuLaunchKernel", "cuMemcpyDtoHAsync", "cuMemsetD8Async"}) {
    ASSERT_GT(calls[function], 0u) << function;
    for (uint64_t nth = 1; nth <= calls[function]; ++nth) {
      constexpr int32_t kOperatingSystem = 304;
      ASSERT_EQ(emulator_->fail(function, nth, kOperatingSystem), 0);
      const auto [status, message] = work();
      emulator_->fail_none();
      if (status == NAMP_OK) continue;  // a call of a clean-up, or one that is repeated
      ++failed;
      EXPECT_EQ(status, NAMP_ERROR_DEVICE) << function << ", call " << nth << ": " << message;
      EXPECT_NE(message.find(function), std::string::npos) << message;
      EXPECT_EQ(emulator_->live_allocations(), allocations) << function << ", call " << nth;
      EXPECT_EQ(emulator_->live_modules(), modules) << function << ", call " << nth;
      ASSERT_EQ(work().first, NAMP_OK) << function << ", call " << nth;
    }
  }
  EXPECT_GE(failed, 15);
}

TEST_F(CudaCost, too_large_an_allocation_says_what_was_asked_for_and_what_is_in_use) {
  void* held = nullptr;
  ASSERT_EQ(namp_memory_allocate(&held, gpu_, 1 << 20, NAMP_MEMORY_GRADIENTS, nullptr), NAMP_OK);
  void* memory = nullptr;
  EXPECT_EQ(namp_memory_allocate(&memory, gpu_, int64_t{1} << 50, NAMP_MEMORY_OTHER, nullptr),
            NAMP_ERROR_OUT_OF_MEMORY);
  const std::string message = namp_last_error_message();
  EXPECT_NE(message.find("1125899906842624 bytes"), std::string::npos) << message;
  EXPECT_NE(message.find("gradients 1048576"), std::string::npos) << message;
  EXPECT_EQ(namp_memory_free(gpu_, held, nullptr), NAMP_OK);
}

}  // namespace
}  // namespace namp_test
