// Products by cuBLAS with what cuBLASLt does in the same launch, over the stand-in.
#if defined(__linux__) && defined(NATIVEAMP_EMULATED_CUBLAS_FOLDER)

#include <cstdlib>

#include "gemm_test.h"

namespace namp_test {
namespace {

class CublasLtTest : public GemmTest {
 protected:
  void SetUp() override {
    if (emulated_gpu() == nullptr) GTEST_SKIP() << "for the stand-in of cuBLAS";
    set_environment(kVariable, NATIVEAMP_EMULATED_CUBLAS_FOLDER "/libnativeamp-emulated-cublas.so");
    GemmTest::SetUp();
  }
  void TearDown() override {
    if (emulated_gpu() == nullptr) return;
    GemmTest::TearDown();
    unsetenv(kVariable);
    unsetenv(kWithout);
    unsetenv(kSwitch);
  }

  // The products of cuBLAS, and the launches beside them, of a case.
  void expect(const GemmCase& c, uint64_t products, uint64_t launches) {
    emulated_gpu()->reset_counters();
    check(c);
    nampemu_counters counted{};
    emulated_gpu()->get_counters(&counted, sizeof(counted));
    EXPECT_EQ(counted.gemms, kRuns * products) << describe(c);
    EXPECT_EQ(counted.launches, kRuns * launches) << describe(c);
    EXPECT_EQ(counted.gemms_in_own_workspace, 0U);
  }

  static GemmCase product_of(int32_t dtype, int transposes) {
    GemmCase c{40, 24, 56};
    c.dtype = c.c_dtype = dtype;
    c.transpose_a = (transposes & 1) != 0;
    c.transpose_b = (transposes & 2) != 0;
    return c;
  }

  // Of a GELU of the tanh behind a product: none from Hopper on, in half precision.
  static uint64_t gelu_launches(int32_t dtype) {
    const char* const capability = std::getenv("NAMPEMU_COMPUTE");
    const bool hopper = capability != nullptr && std::atof(capability) >= 9;
    return hopper && dtype != NAMP_FLOAT32 ? 0 : 1;
  }

  static constexpr uint64_t kRuns = 2;  // of a case by check()
  static constexpr const char* kVariable = "NATIVEAMP_CUBLAS_LIBRARY";
  static constexpr const char* kSwitch = "NATIVEAMP_CUBLASLT";
  static constexpr const char* kWithout = "NAMPEMU_CUBLASLT_WITHOUT";
};

TEST_P(CublasLtTest, ABiasIsInTheProductsLaunch) {
  for (int32_t dtype : kFloats) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      GemmCase c = product_of(dtype, transposes);
      c.bias_dtype = dtype;
      c.words = transposes % 2 == 0;
      expect(c, 1, 0);
      c.beta = 0.5f;
      c.alpha = -0.5f;
      c.padding = c.words ? 0 : 3;
      expect(c, 1, 0);
      if (HasFailure()) return;
    }
  }
}

// cuBLASLt 13 on an H200 multiplied by an alpha of 0, and so does the stand-in.
TEST_P(CublasLtTest, AnAlphaOfZeroIsNoProductOfIt) {
  check_zero_factors();
  GemmCase c = product_of(NAMP_FLOAT32, 1);
  c.alpha = 0;
  c.row_sums = true;
  expect(c, 0, 2);
}

// An activation is a pass behind it, which reads its input where that is kept.
TEST_P(CublasLtTest, AnActivationFollows) {
  for (int32_t dtype : kFloats) {
    for (const int64_t padding : {0, 8}) {
      GemmCase c = product_of(dtype, 2);
      c.bias_dtype = dtype;
      c.padding = padding;
      c.activation = NAMP_ACTIVATION_GELU;
      c.pre_activation = true;
      expect(c, 1, 1);
      c.beta = 0.5f;
      expect(c, 1, 1);
      c.activation = NAMP_ACTIVATION_RELU;
      c.pre_activation = false;
      expect(c, 1, 1);
      // A GELU of what nobody rounds: the product is left in float32.
      c.activation = NAMP_ACTIVATION_GELU_TANH;
      c.beta = 0;
      expect(c, 1, gelu_launches(dtype));
      if (HasFailure()) return;
    }
  }
}

// Not where rows do not begin at 16 bytes, nor with a bias of another dtype, nor in a batch.
TEST_P(CublasLtTest, OnHopperAGeluOfTheTanhIsInTheProductsLaunch) {
  for (int32_t dtype : kFloats) {
    for (const bool has_bias : {false, true}) {
      for (const bool is_kept : {false, true}) {
        GemmCase c = product_of(dtype, 2);
        c.activation = NAMP_ACTIVATION_GELU_TANH;
        c.bias_dtype = has_bias ? dtype : NAMP_DTYPE_NONE;
        c.pre_activation = is_kept;
        c.words = true;
        const bool lacks_digits = !is_kept && dtype != NAMP_FLOAT32;
        expect(c, 1, gelu_launches(dtype));
        c.beta = 0.5f;
        c.alpha = 2;
        expect(c, 1, gelu_launches(dtype));
        c.alpha = 1;
        c.beta = 0;
        c.words = false;
        c.padding = 3;
        expect(c, 1, is_kept ? 1 : gelu_launches(dtype));
        c.batch = 2;
        expect(c, 1, has_bias && !lacks_digits ? 2 : 1);
        if (HasFailure()) return;
      }
    }
  }
}

// Its values are those of GemmTest.MultipliesByTheActivationsSlope.
TEST_P(CublasLtTest, OnHopperSoIsItsSlope) {
  constexpr int64_t kSide = 32;
  for (int32_t dtype : kFloats) {
    const Buffer matrix(device_, dtype, random_values(kSide * kSide, 1));
    Buffer out(device_, dtype, kSide * kSide);
    auto args = make_args<namp_gemm_args>();
    args.a_dtype = args.b_dtype = args.c_dtype = dtype;
    args.m = args.n = args.k = args.lda = args.ldb = args.ldc = kSide;
    args.a = args.b = args.activation_kept = matrix.data();
    args.c = out.data();
    args.alpha = 1;
    args.activation = NAMP_ACTIVATION_GELU_TANH;
    emulated_gpu()->reset_counters();
    ASSERT_EQ(namp_gemm(device_, &args, nullptr), NAMP_OK);
    nampemu_counters counted{};
    emulated_gpu()->get_counters(&counted, sizeof(counted));
    EXPECT_EQ(counted.gemms, 1U);
    EXPECT_EQ(counted.launches, gelu_launches(dtype));
  }
}

TEST_P(CublasLtTest, TheRowsOfAAreSummedInTheProductsLaunch) {
  for (int32_t dtype : kFloats) {
    for (int transposes : {1, 3}) {
      GemmCase c = product_of(dtype, transposes);
      c.c_dtype = transposes == 1 ? dtype : NAMP_FLOAT32;
      c.row_sums = true;
      expect(c, 1, 0);
      c.beta = 0.5f;
      expect(c, 1, 0);
      c.activation = NAMP_ACTIVATION_RELU;  // that is no gradient of a weight
      expect(c, 1, 2);
      if (HasFailure()) return;
    }
  }
}

// A bias of fewer bits than C is widened before: a pass over a row, not over C.
TEST_P(CublasLtTest, ABiasIsWidenedForC) {
  for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    GemmCase c = product_of(dtype, 2);
    c.c_dtype = NAMP_FLOAT32;
    c.bias_dtype = dtype;
    c.beta = 1;
    emulated_gpu()->reset_counters();
    expect(c, 1, 1);
    EXPECT_EQ(emulated_gpu()->launches_of("cast_kernel"), kRuns);
  }
}

// A bias of more bits than C, or of a batch.
TEST_P(CublasLtTest, WhatItCannotIsDoneAround) {
  GemmCase c = product_of(NAMP_BFLOAT16, 0);
  c.bias_dtype = NAMP_FLOAT32;
  expect(c, 1, 1);
  c.bias_dtype = NAMP_BFLOAT16;
  c.batch = 3;
  expect(c, 1, 1);
}

// An older one has neither epilogue: the same results, by more launches.
TEST_P(CublasLtTest, OneThatLacksAnEpilogueIsDoneWithout) {
  for (int32_t dtype : kFloats) {
    GemmCase c = product_of(dtype, 1);
    setenv(kWithout, "4", 1);
    c.bias_dtype = dtype;
    expect(c, 1, 1);
    c.bias_dtype = NAMP_DTYPE_NONE;
    setenv(kWithout, "512", 1);
    c.row_sums = true;
    expect(c, 1, 1);
    if (HasFailure()) return;
  }
  EXPECT_EQ(emulated_gpu()->calls_of("cublasLtMatmul"), 0U);
}

TEST_P(CublasLtTest, WithoutItNothingIsMadeReadyForIt) {
  setenv(kSwitch, "0", 1);
  GemmCase c = product_of(NAMP_BFLOAT16, 1);
  c.c_dtype = NAMP_FLOAT32;
  c.bias_dtype = NAMP_BFLOAT16;
  c.beta = 1;
  expect(c, 1, 1);
  EXPECT_EQ(emulated_gpu()->launches_of("cast_kernel"), 0U);
  c.bias_dtype = NAMP_DTYPE_NONE;
  c.row_sums = true;
  expect(c, 1, 1);
  EXPECT_EQ(emulated_gpu()->calls_of("cublasLtMatmulDescCreate"), 0U);
}

// Operands that lie elsewhere have the alignment of an algorithm of their own: the stand-in refuses one
// that was chosen for more.
TEST_P(CublasLtTest, AnAlgorithmIsForAnAlignment) {
  GemmCase c = product_of(NAMP_FLOAT16, 0);
  c.bias_dtype = NAMP_FLOAT16;
  for (const bool words : {true, false, true}) {
    c.words = words;
    expect(c, 1, 0);
  }
}

// What a shape takes is asked once.
TEST_P(CublasLtTest, AShapeIsAskedForOnce) {
  GemmCase c = product_of(NAMP_BFLOAT16, 0);
  c.bias_dtype = NAMP_BFLOAT16;
  c.words = true;
  emulated_gpu()->reset_counters();
  for (int i = 0; i < 3; ++i)
    check(c);
  EXPECT_EQ(emulated_gpu()->calls_of("cublasLtMatmulAlgoGetHeuristic"), 1U);
  EXPECT_EQ(emulated_gpu()->calls_of("cublasLtMatmul"), 3 * kRuns);
}

INSTANTIATE_TEST_SUITE_P(Devices, CublasLtTest, ::testing::Values(Where::kGpu),
                         [](const auto&) { return "gpu"; });

}  // namespace
}  // namespace namp_test

#endif
