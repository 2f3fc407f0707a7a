// Several GPUs in one process, and contexts, memory and streams of other libraries.
#include <thread>

#include "backend_test.h"

namespace namp_test {
namespace {

// The driver's own functions, as an application uses them beside the library.
template <class... Args>
struct DriverCall {
  explicit DriverCall(const char* name)
      : pointer(reinterpret_cast<int (*)(Args...)>(emulated_gpu()->symbol(name))) {}
  void operator()(Args... args) const { EXPECT_EQ(pointer(args...), 0); }
  int (*pointer)(Args...);
};

class CudaDevices : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Device::count(Where::kGpu) < 2) GTEST_SKIP() << "there is no second GPU";
    first_.open(Where::kGpu, 0);
    second_.open(Where::kGpu, 1);
  }
  void TearDown() override {
    if (first_.handle() != nullptr) {
      first_.close();
      second_.close();
    }
    expect_no_findings();
  }

  // A cast with a value that no other test uses.
  static void expect_work(Device& device, double value) {
    Buffer in(device, NAMP_FLOAT32, std::vector<double>(3000, value));
    Buffer out(device, NAMP_FLOAT16, 3000);
    Buffer loss(device, NAMP_FLOAT32, 1);
    auto args = make_args<namp_mse_args>();  // with a workspace and a ticket
    args.prediction_dtype = NAMP_FLOAT16;
    args.target_dtype = NAMP_FLOAT32;
    args.prediction = out.data();
    args.target = in.data();
    args.count = 3000;
    args.loss = loss.floats();
    ASSERT_EQ(cast(device, out.cell(), in.cell(), 3000), NAMP_OK) << namp_last_error_message();
    ASSERT_EQ(namp_mse(device, &args, nullptr), NAMP_OK) << namp_last_error_message();
    for (int64_t i = 0; i < 3000; ++i)
      ASSERT_EQ(out[i], value);
    ASSERT_EQ(loss[0], 0.0);
  }

  Device first_;
  Device second_;
};

// A device in a context of the caller: memory and streams of that context are its own, and the
// context is there after it.
TEST_F(CudaDevices, work_in_a_context_of_the_caller) {
  const DriverCall<void**, unsigned, int> create("cuCtxCreate_v2");
  const DriverCall<void*> destroy("cuCtxDestroy_v2");
  const DriverCall<void**> pop("cuCtxPopCurrent_v2");
  const DriverCall<void*> push("cuCtxPushCurrent_v2");
  const DriverCall<uint64_t*, size_t> allocate("cuMemAlloc_v2");
  const DriverCall<uint64_t> free_memory("cuMemFree_v2");
  void* context = nullptr;
  void* popped = nullptr;
  create(&context, 0, 1);
  uint64_t memory = 0;
  allocate(&memory, 256);
  pop(&popped);

  namp_device* device = nullptr;
  ASSERT_EQ(namp_device_open_context(&device, context), NAMP_OK) << namp_last_error_message();
  auto info = make_args<namp_device_info>();
  ASSERT_EQ(namp_device_get_info(&info, device), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(info.ordinal, 1);
  void* told = nullptr;
  ASSERT_EQ(namp_device_get_context(&told, device), NAMP_OK);
  EXPECT_EQ(told, context);
  float written = 2.5f;
  float read = 0;
  auto* place = reinterpret_cast<void*>(memory);
  EXPECT_EQ(namp_memory_copy(device, place, &written, 4, NAMP_COPY_HOST_TO_DEVICE, nullptr),
            NAMP_OK)
      << namp_last_error_message();
  EXPECT_EQ(namp_memory_copy(device, &read, place, 4, NAMP_COPY_DEVICE_TO_HOST, nullptr), NAMP_OK)
      << namp_last_error_message();
  EXPECT_EQ(read, written);
  EXPECT_EQ(namp_device_close(device), NAMP_OK) << namp_last_error_message();

  push(context);
  free_memory(memory);
  pop(&popped);
  destroy(context);
}

// Its owner may let it go; the device keeps it.
TEST_F(CudaDevices, keep_a_primary_context_that_they_are_opened_in) {
  const DriverCall<void**, int> retain("cuDevicePrimaryCtxRetain");
  const DriverCall<int> release("cuDevicePrimaryCtxRelease_v2");
  void* context = nullptr;
  retain(&context, 1);
  namp_device* device = nullptr;
  ASSERT_EQ(namp_device_open_context(&device, context), NAMP_OK) << namp_last_error_message();
  release(1);
  second_.close();
  EXPECT_EQ(namp_stream_synchronize(device, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(namp_device_close(device), NAMP_OK) << namp_last_error_message();
  second_.open(Where::kGpu, 1);
}

TEST_F(CudaDevices, are_not_opened_without_a_context) {
  namp_device* device = nullptr;
  EXPECT_EQ(namp_device_open_context(&device, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_device_open_context(nullptr, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(device, nullptr);
  Device cpu;
  cpu.open(Where::kCpu);
  void* context = &cpu;
  EXPECT_EQ(namp_device_get_context(&context, cpu), NAMP_OK);
  EXPECT_EQ(context, nullptr);
  cpu.close();
}

TEST_F(CudaDevices, are_not_opened_in_a_context_that_was_destroyed) {
  const DriverCall<void**, unsigned, int> create("cuCtxCreate_v2");
  const DriverCall<void*> destroy("cuCtxDestroy_v2");
  void* context = nullptr;
  create(&context, 0, 1);
  destroy(context);
  namp_device* device = nullptr;
  EXPECT_EQ(namp_device_open_context(&device, context), NAMP_ERROR_INVALID_ARGUMENT);
  const std::string message = namp_last_error_message();
  EXPECT_NE(message.find("no CUDA context that is alive"), std::string::npos) << message;
  EXPECT_EQ(device, nullptr);
  EXPECT_EQ(emulated_gpu()->findings(), 1U);  // the emulated GPU sees it too
  emulated_gpu()->reset_findings();
}

TEST_F(CudaDevices, say_which_they_are) {
  for (int32_t ordinal : {0, 1}) {
    auto info = make_args<namp_device_info>();
    Device& device = ordinal == 0 ? first_ : second_;
    ASSERT_EQ(namp_device_get_info(&info, device), NAMP_OK) << namp_last_error_message();
    EXPECT_EQ(info.ordinal, ordinal);
  }
}

TEST_F(CudaDevices, one_that_is_not_there_is_named_with_how_many_there_are) {
  const int32_t count = Device::count(Where::kGpu);
  for (int32_t ordinal : {-1, count}) {
    namp_device* device = nullptr;
    EXPECT_EQ(namp_device_open(&device, NAMP_DEVICE_CUDA, ordinal), NAMP_ERROR_UNAVAILABLE);
    EXPECT_EQ(device, nullptr);
    const std::string message = namp_last_error_message();
    EXPECT_NE(message.find("ordinal is " + std::to_string(ordinal)), std::string::npos) << message;
    EXPECT_NE(message.find(std::to_string(count) + " devices"), std::string::npos) << message;
  }
}

TEST_F(CudaDevices, work_side_by_side) {
  for (int turn = 0; turn < 3; ++turn) {
    expect_work(first_, 1.5 + turn);
    expect_work(second_, -2.25 - turn);
  }
}

TEST_F(CudaDevices, work_from_threads_of_their_own) {
  const auto work = [](Device& device, double value) {
    for (int turn = 0; turn < 5; ++turn)
      expect_work(device, value + turn);
  };
  std::thread other(work, std::ref(second_), 100);
  work(first_, 7);
  other.join();
}

TEST_F(CudaDevices, share_no_memory) {
  constexpr int64_t kBytes = 300;
  void* memory = nullptr;
  void* other = nullptr;
  ASSERT_EQ(namp_memory_allocate(&memory, first_, kBytes, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
  EXPECT_EQ(namp_memory_free(second_, memory, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  // Memory in the first device's cache is not handed out by the second.
  ASSERT_EQ(namp_memory_free(first_, memory, nullptr), NAMP_OK);
  ASSERT_EQ(namp_memory_allocate(&other, second_, kBytes, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
  EXPECT_NE(other, memory);
  void* again = nullptr;
  ASSERT_EQ(namp_memory_allocate(&again, first_, kBytes, NAMP_MEMORY_OTHER, nullptr), NAMP_OK);
  EXPECT_EQ(again, memory);
  if (emulated_gpu() != nullptr) {
    constexpr int kDeviceOrdinal = 9;
    const DriverCall<void*, int, uint64_t> attribute("cuPointerGetAttribute");
    const DriverCall<void**, int> retain("cuDevicePrimaryCtxRetain");
    const DriverCall<int> release("cuDevicePrimaryCtxRelease_v2");
    const DriverCall<void*> set_current("cuCtxSetCurrent");
    void* context = nullptr;
    retain(&context, 0);
    set_current(context);
    int ordinal = -1;
    attribute(&ordinal, kDeviceOrdinal, reinterpret_cast<uint64_t>(again));
    EXPECT_EQ(ordinal, 0);
    attribute(&ordinal, kDeviceOrdinal, reinterpret_cast<uint64_t>(other));
    EXPECT_EQ(ordinal, 1);
    set_current(nullptr);
    release(0);
  }
  EXPECT_EQ(namp_memory_free(first_, again, nullptr), NAMP_OK);
  EXPECT_EQ(namp_memory_free(second_, other, nullptr), NAMP_OK);
}

// The thread's current context is the same afterwards; memory and streams of other libraries work.
TEST_F(CudaDevices, work_with_contexts_memory_and_streams_of_others) {
  if (emulated_gpu() == nullptr) GTEST_SKIP() << "calls the emulated driver itself";
  const DriverCall<void**, int> retain("cuDevicePrimaryCtxRetain");
  const DriverCall<int> release("cuDevicePrimaryCtxRelease_v2");
  const DriverCall<void*> set_current("cuCtxSetCurrent");
  const DriverCall<void**> get_current("cuCtxGetCurrent");
  const DriverCall<uint64_t*, size_t> allocate("cuMemAlloc_v2");
  const DriverCall<uint64_t> free("cuMemFree_v2");
  const DriverCall<void**, unsigned> create_stream("cuStreamCreate");
  const DriverCall<void*> destroy_stream("cuStreamDestroy_v2");
  const DriverCall<uint64_t, const void*, size_t> upload("cuMemcpyHtoD_v2");
  const DriverCall<void*, uint64_t, size_t> download("cuMemcpyDtoH_v2");

  void* context = nullptr;
  void* current = this;
  get_current(&current);
  EXPECT_EQ(current, nullptr);
  retain(&context, 1);
  set_current(context);
  expect_work(first_, 3);  // while the second device's context is current
  get_current(&current);
  EXPECT_EQ(current, context);

  uint64_t in = 0;
  uint64_t out = 0;
  void* stream = nullptr;
  const std::vector<float> values(1000, 0.75f);
  allocate(&in, 4000);
  allocate(&out, 2000);
  create_stream(&stream, 1);
  upload(in, values.data(), 4000);
  ASSERT_EQ(cast(second_, cell(reinterpret_cast<void*>(out), NAMP_FLOAT16),
                 cell(reinterpret_cast<void*>(in), NAMP_FLOAT32), 1000, nullptr, stream),
            NAMP_OK)
      << namp_last_error_message();
  ASSERT_EQ(namp_stream_synchronize(second_, stream), NAMP_OK);
  std::vector<uint16_t> halves(1000);
  download(halves.data(), out, 2000);
  for (uint16_t half : halves)
    ASSERT_EQ(decode(half, NAMP_FLOAT16), 0.75);
  destroy_stream(stream);
  free(in);
  free(out);
  set_current(nullptr);
  release(1);
}

TEST_F(CudaDevices, memory_of_the_other_is_an_error) {
  if (emulated_gpu() == nullptr) GTEST_SKIP() << "GPUs may reach each other's memory";
  {
    Buffer in(first_, NAMP_FLOAT32, std::vector<double>(100, 1.0));
    Buffer out(second_, NAMP_FLOAT16, 100);
    first_.hand_over();
    int32_t status = cast(second_, out.cell(), in.cell(), 100);
    if (status == NAMP_OK) status = namp_stream_synchronize(second_, nullptr);
    EXPECT_EQ(status, NAMP_ERROR_DEVICE);
    const std::string message = namp_last_error_message();
    EXPECT_NE(message.find("CUDA_ERROR_ILLEGAL_ADDRESS"), std::string::npos) << message;
    ASSERT_NE(emulated_gpu()->finding_text(0), nullptr);
    const std::string finding = emulated_gpu()->finding_text(0);
    EXPECT_NE(finding.find("the memory is device 0's"), std::string::npos) << finding;
    emulated_gpu()->reset();  // also the sticky error of the context
  }
  expect_work(second_, 5);
}

}  // namespace
}  // namespace namp_test
