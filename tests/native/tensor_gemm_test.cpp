// Products on a GPU's tensor cores, where there is no cuBLAS.
#include "gemm_test.h"

namespace namp_test {
namespace {

using TensorGemmTest = WithoutCublas<GemmTest>;

// The kernels for tensor cores: tiles of 64 and of 128 rows and columns, of which those are for at
// least as many as there are multiprocessors; slices of 32 of k, whole and in part; operands whose
// rows begin at 16 bytes, and others. Each with other things behind the sums.
TEST_P(TensorGemmTest, EveryTransposeInTilesOfBothSizes) {
  const int64_t sizes[][4] = {{64, 64, 32, 1},  {70, 66, 150, 1}, {8, 136, 104, 1}, {33, 40, 7, 4},
                              {128, 72, 64, 4}, {130, 5, 97, 4},  {136, 264, 40, 1}};
  int32_t round = 0;
  for (const auto& size : sizes) {
    for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
      for (int transposes = 0; transposes < 4; ++transposes) {
        if (is_slow() && (round + transposes) % 4 != 0) continue;
        GemmCase c{size[0], size[1], size[2]};
        c.batch = size[3];
        c.dtype = dtype;
        c.c_dtype = round % 3 == 0 ? NAMP_FLOAT32 : dtype;
        c.transpose_a = (transposes & 1) != 0;
        c.transpose_b = (transposes & 2) != 0;
        c.words = round / 4 % 2 == 0;
        c.shared_b = round % 5 == 1;
        c.bias_dtype = round % 4 == 0 ? NAMP_DTYPE_NONE : round % 4 == 1 ? NAMP_FLOAT32 : dtype;
        c.activation = round % 5 % 4;
        c.pre_activation = round % 2 == 1;
        c.beta = round % 7 == 3 ? 0.5f : 0.0f;
        c.alpha = round % 6 == 5 ? -0.25f : 1.0f;
        c.row_sums = c.transpose_a && c.batch == 1 && (!c.words || c.m % 8 == 0);
        check(c);
        if (HasFailure()) return;
        ++round;
      }
    }
  }
}

// A long k is cut into parts, the last of which is shorter; bias, activation and what C had follow their
// sum.
TEST_P(TensorGemmTest, ALongKIsCutIntoParts) {
  int32_t round = 0;
  for (int32_t dtype : {NAMP_BFLOAT16, NAMP_FLOAT16}) {
    for (int64_t k : {2048, 3107}) {
      if (is_slow() && round == 3) continue;
      GemmCase c{24, 40, k};
      c.dtype = dtype;
      c.c_dtype = round % 2 == 0 ? NAMP_FLOAT32 : dtype;
      c.transpose_a = round % 2 == 0 || round == 1;
      c.row_sums = c.transpose_a;
      c.transpose_b = round % 2 == 1;
      c.words = k == 2048;
      c.bias_dtype = round % 2 == 0 ? dtype : NAMP_FLOAT32;
      c.activation = round == 0 ? NAMP_ACTIVATION_NONE : NAMP_ACTIVATION_GELU_TANH;
      c.pre_activation = round > 1;
      c.beta = round == 2 ? 0.0f : 0.5f;
      if (device_.is_emulated()) emulated_gpu()->reset_counters();
      check(c);
      if (HasFailure()) return;
      auto info = make_args<namp_device_info>();
      ASSERT_EQ(namp_device_get_info(&info, device_), NAMP_OK);
      if (device_.is_emulated() && (info.compute_major >= 8 || dtype == NAMP_FLOAT16)) {
        EXPECT_GE(emulated_gpu()->launches_of("gemm_epilogue_kernel"), 1U) << "in one piece";
      }
      ++round;
    }
  }
}

// In groups of eight rows of tiles, the last of which has fewer.
TEST_P(TensorGemmTest, MoreRowsOfTilesThanAreTakenAtATime) {
  if (is_slow()) GTEST_SKIP() << "not under sanitizers";
  GemmCase c{9 * 128 + 1, 2 * 128 + 8, 16};
  c.dtype = c.c_dtype = NAMP_FLOAT16;
  c.words = true;
  check(c);
}

// One product alone and as one of many, which are made in larger tiles, has the same bits.
TEST_P(TensorGemmTest, TheTilesSizeDoesNotChangeABit) {
  auto info = make_args<namp_device_info>();
  ASSERT_EQ(namp_device_get_info(&info, device_), NAMP_OK);
  const bool is_turing = info.compute_major < 8;  // whose tensor cores know no bfloat16
  const int64_t side = 72;
  const int64_t batch = info.multiprocessors;
  for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    Buffer a(device_, dtype, random_values(side * side, 1));
    Buffer b(device_, dtype, random_values(side * side, 2));
    Buffer one(device_, NAMP_FLOAT32, side * side);
    Buffer many(device_, NAMP_FLOAT32, batch * side * side);
    if (device_.is_emulated()) emulated_gpu()->reset_counters();
    auto args = make_args<namp_gemm_args>();
    args.a_dtype = args.b_dtype = dtype;
    args.c_dtype = NAMP_FLOAT32;
    args.m = args.n = args.k = args.lda = args.ldb = args.ldc = side;
    args.a = a.data();
    args.b = b.data();
    args.c = one.data();
    args.alpha = 1;
    ASSERT_EQ(namp_gemm(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
    args.c = many.data();
    args.batch = batch;
    args.stride_c = side * side;
    ASSERT_EQ(namp_gemm(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
    for (int64_t i = 0; i < batch * side * side; ++i)
      ASSERT_EQ(many[i], one[i % (side * side)]) << i;
    if (!device_.is_emulated() || (is_turing && dtype == NAMP_BFLOAT16)) continue;
    const std::string name = dtype == NAMP_BFLOAT16 ? "gemm_bfloat16_"
                             : is_turing            ? "gemm_float16_sm75_"
                                                    : "gemm_float16_";
    EXPECT_EQ(emulated_gpu()->launches_of((name + "nn_64").c_str()), 1U);
    EXPECT_EQ(emulated_gpu()->launches_of((name + "nn_128").c_str()), 1U);
  }
}

INSTANTIATE_TEST_SUITE_P(Devices, TensorGemmTest, ::testing::Values(Where::kGpu),
                         [](const auto&) { return "gpu"; });

}  // namespace
}  // namespace namp_test
