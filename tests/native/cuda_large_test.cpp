// Offsets beyond 32 bits, of elements and of bytes: few elements, far apart.
#include "backend_test.h"

namespace namp_test {
namespace {

constexpr int64_t kFar = (int64_t{1} << 31) + 8;  // elements

class CudaLarge : public ::testing::Test {
 protected:
  void SetUp() override {
    if (Device::count(Where::kGpu) == 0) GTEST_SKIP() << namp_last_error_message();
    gpu_.open(Where::kGpu);
    auto info = make_args<namp_device_info>();
    ASSERT_EQ(namp_device_get_info(&info, gpu_), NAMP_OK);
    if (info.memory_free < 3 * kBytes / 2) GTEST_SKIP() << "the GPU has too little free memory";
    ASSERT_EQ(namp_memory_allocate(&memory_, gpu_, kBytes, NAMP_MEMORY_OTHER, nullptr), NAMP_OK)
        << namp_last_error_message();
  }
  void TearDown() override {
    if (gpu_.handle() != nullptr) {
      EXPECT_EQ(namp_memory_free(gpu_, memory_, nullptr), NAMP_OK);
      gpu_.close();
    }
    expect_no_findings();
  }

  uint16_t* at(int64_t element) const { return static_cast<uint16_t*>(memory_) + element; }
  void write(int64_t element, double x) {
    const auto half = static_cast<uint16_t>(encode(x, NAMP_FLOAT16));
    ASSERT_EQ(namp_memory_copy(gpu_, at(element), &half, 2, NAMP_COPY_HOST_TO_DEVICE, nullptr),
              NAMP_OK);
  }
  double read(int64_t element) {
    uint16_t half = 0;
    EXPECT_EQ(namp_memory_copy(gpu_, &half, at(element), 2, NAMP_COPY_DEVICE_TO_HOST, nullptr),
              NAMP_OK);
    return decode(half, NAMP_FLOAT16);
  }

  static constexpr int64_t kBytes = 2 * (kFar + 1024);
  Device gpu_;
  void* memory_ = nullptr;
};

TEST_F(CudaLarge, a_product_of_rows_far_apart) {
  write(0, 3);
  write(kFar, 5);
  write(1, 2);
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT16;
  args.m = 2;
  args.n = args.k = args.ldb = 1;
  args.lda = args.ldc = kFar;
  args.a = at(0);
  args.b = at(1);
  args.c = at(2);
  args.alpha = 1;
  ASSERT_EQ(namp_gemm(gpu_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(read(2), 6.0);
  EXPECT_EQ(read(kFar + 2), 10.0);
}

TEST_F(CudaLarge, products_far_apart) {
  write(0, 3);
  write(kFar, 5);
  write(1, 2);
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT16;
  args.m = args.n = args.k = args.lda = args.ldb = args.ldc = 1;
  args.batch = 2;
  args.stride_a = args.stride_c = kFar;
  args.a = at(0);
  args.b = at(1);
  args.c = at(2);
  args.alpha = 1;
  ASSERT_EQ(namp_gemm(gpu_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(read(2), 6.0);
  EXPECT_EQ(read(kFar + 2), 10.0);
}

// With one key per head, the output is its value.
TEST_F(CudaLarge, attention_of_batches_far_apart) {
  for (int64_t far : {int64_t{0}, kFar}) {
    for (int64_t i = 0; i < 3; ++i)
      write(far + i, static_cast<double>(i + 1) + (far != 0 ? 0.5 : 0));
  }
  Buffer log_sums(gpu_, NAMP_FLOAT32, 2);
  auto args = make_args<namp_attention_args>();
  args.dtype = NAMP_FLOAT16;
  args.scale = 1;
  args.batch = 2;
  args.heads = args.key_heads = args.query_time = args.key_time = args.head_dim = 1;
  args.query = at(0);
  args.key = at(1);
  args.value = at(2);
  args.query_batch_stride = args.key_batch_stride = args.output_batch_stride = kFar;
  args.query_head_stride = args.key_head_stride = args.output_head_stride = 1;
  args.query_time_stride = args.key_time_stride = args.output_time_stride = 1;
  args.output = at(3);
  args.log_sum_exp = log_sums.floats();
  ASSERT_EQ(namp_attention_forward(gpu_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(read(3), 3.0);
  EXPECT_EQ(read(kFar + 3), 3.5);
  EXPECT_EQ(log_sums[0], 2.0);
  EXPECT_EQ(log_sums[1], 1.5 * 2.5);
}

}  // namespace
}  // namespace namp_test
