// Large products whose rows begin at odd places, which a GPU makes of copies: a few rows of C at a time, so that
// there are several pieces. The oracle is GemmTest's.
#include "gemm_test.h"

namespace namp_test {
namespace {

class PaddedProductTest : public GemmTest {
 protected:
  // Enough for B, and for 256 rows of A and C.
  void SetUp() override {
    if (GetParam() == Where::kCpu) GTEST_SKIP() << "A CPU reads rows where they are.";
    if (is_sanitized()) GTEST_SKIP() << "Sanitizers are slow.";
    set_environment("NATIVEAMP_PADDED_BYTES", "900000");
    GemmTest::SetUp();
    set_environment("NATIVEAMP_PADDED_BYTES", "");
  }

  // m n k is just enough for copies.
  static GemmCase odd_case(int32_t dtype, bool transpose_a, bool transpose_b) {
    GemmCase c{700, 601, 641};
    c.dtype = c.c_dtype = dtype;
    c.transpose_a = transpose_a;
    c.transpose_b = transpose_b;
    return c;
  }
};

TEST_P(PaddedProductTest, EveryOperandIsOdd) { check(odd_case(NAMP_BFLOAT16, false, false)); }

TEST_P(PaddedProductTest, TransposedOperandsAndAResultThatIsAddedTo) {
  GemmCase c = odd_case(NAMP_FLOAT16, true, true);
  c.c_dtype = NAMP_FLOAT32;
  c.alpha = 0.5f;
  c.beta = 1.0f;
  c.row_sums = true;
  if (device_.is_emulated()) emulated_gpu()->reset_counters();
  check(c);
  // Copies are read by words, also where a stored row ends within one.
  if (device_.is_emulated()) {
    EXPECT_EQ(emulated_gpu()->launches_of("_64_kernel"), 0U);
  }
}

NAMP_ON_EVERY_DEVICE(PaddedProductTest);

}  // namespace
}  // namespace namp_test
