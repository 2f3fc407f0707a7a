// The fixture of tests of graphs: a device with a stream, memory on it, and captures.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend_test.h"

namespace namp_test {

constexpr int64_t kCount = 3000;
constexpr int64_t kBytes = kCount * 4;

class GraphTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Device::count(where()) < 1) GTEST_SKIP() << "there is no GPU";
    device_.open(where());
    ASSERT_EQ(namp_stream_create(&stream_, device_), NAMP_OK);
  }
  void TearDown() override {
    if (device_.handle() == nullptr) return;
    EXPECT_EQ(namp_stream_destroy(device_, stream_), NAMP_OK);
    device_.close();
    expect_no_findings();
  }

  virtual Where where() const { return Where::kGpu; }

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

  static std::vector<float> all(float value) { return std::vector<float>(kCount, value); }

  Device device_;
  namp_stream stream_ = nullptr;
};

}  // namespace namp_test
