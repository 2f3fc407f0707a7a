// Products that are measured once, over the stand-in of cuBLAS: whichever way is the fastest of the emulated
// GPU, the results are GemmTest's, and the second call of a kind has one way's launches and no wait.
#if defined(__linux__) && defined(NATIVEAMP_EMULATED_CUBLAS_FOLDER)

#include <cstdlib>

#include "child_process.h"
#include "gemm_test.h"

namespace namp_test {
namespace {

class ProductWaysTest : public GemmTest {
 protected:
  void SetUp() override {
    if (emulated_gpu() == nullptr) GTEST_SKIP() << "for the stand-in of cuBLAS";
    set_environment(kVariable, NATIVEAMP_EMULATED_CUBLAS_FOLDER "/libnativeamp-emulated-cublas.so");
    GemmTest::SetUp();
    ASSERT_EQ(namp_device_set_measure_products(device_, 1), NAMP_OK);
  }
  void TearDown() override {
    if (emulated_gpu() == nullptr) return;
    GemmTest::TearDown();
    unsetenv(kVariable);
  }

  // A case's two runs, by what they cost.
  nampemu_counters count(const GemmCase& c) {
    emulated_gpu()->reset_counters();
    check(c);
    nampemu_counters counted{};
    emulated_gpu()->get_counters(&counted, sizeof(counted));
    return counted;
  }

  static GemmCase gelu_case(int32_t dtype) {
    GemmCase c{40, 24, 56};
    c.dtype = c.c_dtype = c.bias_dtype = dtype;
    c.transpose_b = c.words = true;
    c.activation = NAMP_ACTIVATION_GELU;
    c.pre_activation = true;
    return c;
  }

  static constexpr uint64_t kRuns = 2;  // of a case by check()
  static constexpr const char* kVariable = "NATIVEAMP_CUBLAS_LIBRARY";
};

TEST_P(ProductWaysTest, AKindIsMeasuredAtItsFirstCallAlone) {
  for (const int32_t dtype : kFloats) {
    const GemmCase c = gelu_case(dtype);
    const nampemu_counters first = count(c);
    const nampemu_counters second = count(c);
    const bool library = second.gemms != 0;
    // cuBLASLt adds the bias, and a launch makes the GELU; or one launch of ours has all.
    EXPECT_EQ(second.gemms, library ? kRuns : 0);
    EXPECT_EQ(second.launches, kRuns);
    // Each way ran six times before the call itself.
    EXPECT_EQ(first.gemms - second.gemms, 6U);
    EXPECT_EQ(first.launches - second.launches, 12U);
    EXPECT_GT(first.host_waits, second.host_waits);
  }
}

TEST_P(ProductWaysTest, EveryCallHasTheResultsOfOne) {
  for (const int32_t dtype : kFloats) {
    GemmCase c = gelu_case(dtype);
    c.beta = 0.5f;  // added once, although it ran many times
    check(c);
    c.activation = NAMP_ACTIVATION_NONE;
    c.pre_activation = false;
    c.c_dtype = NAMP_FLOAT32;
    c.batch = 3;
    check(c);
    c = gelu_case(dtype);
    c.activation = NAMP_ACTIVATION_NONE;
    c.pre_activation = false;
    c.bias_dtype = NAMP_DTYPE_NONE;
    c.transpose_a = c.row_sums = true;
    c.words = false;
    check(c);
    if (HasFailure()) return;
  }
}

TEST_P(ProductWaysTest, RowsAtOddPlacesAreCopiedOrNot) {
  if (is_sanitized()) GTEST_SKIP() << "Sanitizers are slow.";
  GemmCase c{700, 601, 641};
  c.dtype = c.c_dtype = NAMP_BFLOAT16;
  check(c);
}

TEST_P(ProductWaysTest, WhatIsSwitchedOffIsNotUsed) {
  const GemmCase c = gelu_case(NAMP_FLOAT16);
  check(c);
  ASSERT_EQ(namp_device_set_measure_products(device_, 0), NAMP_OK);
  EXPECT_EQ(count(c).gemms, kRuns);
}

// Unmeasured, an activation behind a product that fills a GPU of 8.6 to 8.9 is made in the launch of our
// kernel. The emulated GPU has four multiprocessors: 256 x 256 fills it, 256 x 128 does not.
TEST_P(ProductWaysTest, UnmeasuredItIsTheComputeCapabilityThatDecides) {
  const auto products = [](const std::string& capability, const std::string& arguments) {
    const Outcome result = run(std::string("NAMPEMU_COMPUTE=") + capability +
                                   " NATIVEAMP_CUDA_LIBRARY=" NATIVEAMP_EMULATED_CUDA
                                   " NATIVEAMP_CUBLAS_LIBRARY=" NATIVEAMP_EMULATED_CUBLAS_FOLDER
                                   "/libnativeamp-emulated-cublas.so",
                               "activation " + arguments);
    EXPECT_EQ(result.status, 0) << result.output;
    return result.one("products") + " and " + result.one("launches");
  };
  EXPECT_EQ(products("8.9", "256 256"), "0 and 1");
  EXPECT_EQ(products("8.6", "256 256"), "0 and 1");
  EXPECT_EQ(products("8.0", "256 256"), "0 and 1");
  EXPECT_EQ(products("9.0", "256 256"), "1 and 1");
  EXPECT_EQ(products("8.9", "256 128"), "1 and 1");
  EXPECT_EQ(products("8.9", "256 252"), "1 and 1");  // no whole words
}

TEST_P(ProductWaysTest, ACaptureIsNotDisturbed) {
  Buffer a(device_, NAMP_FLOAT32, std::vector<double>(64, 1.0));
  Buffer out(device_, NAMP_FLOAT32, std::vector<double>(64, 0.0));
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT32;
  args.m = args.n = args.k = 8;
  args.a = args.b = a.data();
  args.c = out.data();
  args.lda = args.ldb = args.ldc = 8;
  args.alpha = 1;
  namp_stream stream = nullptr;
  ASSERT_EQ(namp_stream_create(&stream, device_), NAMP_OK);
  // Another kind: cuBLAS is found, its workspace there, and nothing of the captured one is known.
  args.beta = 1;
  ASSERT_EQ(namp_gemm(device_, &args, stream), NAMP_OK) << namp_last_error_message();
  args.beta = 0;
  args.alpha = 2;
  ASSERT_EQ(namp_graph_begin(device_, stream), NAMP_OK) << namp_last_error_message();
  ASSERT_EQ(namp_gemm(device_, &args, stream), NAMP_OK) << namp_last_error_message();
  namp_graph* graph = nullptr;
  ASSERT_EQ(namp_graph_end(&graph, device_), NAMP_OK) << namp_last_error_message();
  ASSERT_EQ(namp_graph_launch(graph), NAMP_OK) << namp_last_error_message();
  ASSERT_EQ(namp_stream_synchronize(device_, stream), NAMP_OK);
  EXPECT_EQ(out[63], 16.0);
  EXPECT_EQ(namp_graph_destroy(graph), NAMP_OK);
  EXPECT_EQ(namp_stream_destroy(device_, stream), NAMP_OK);
}

INSTANTIATE_TEST_SUITE_P(Devices, ProductWaysTest, ::testing::Values(Where::kGpu));

}  // namespace
}  // namespace namp_test

#endif
