// Matrix products against a triple loop in double.
#include "matrix_test.h"

namespace namp_test {
namespace {

struct Case {
  int64_t m, n, k;
  int32_t dtype = NAMP_FLOAT32;
  int32_t c_dtype = NAMP_FLOAT32;
  int32_t bias_dtype = NAMP_DTYPE_NONE;
  bool transpose_a = false;
  bool transpose_b = false;
  int64_t batch = 1;
  bool shared_b = false;
  int64_t padding = 0;  // of rows, in elements
  float alpha = 1.0f;
  float beta = 0.0f;
  int32_t activation = NAMP_ACTIVATION_NONE;
  bool pre_activation = false;
  bool words = false;  // every row begins at a multiple of 16 bytes
};

std::string describe(const Case& c) {
  return "m " + std::to_string(c.m) + " n " + std::to_string(c.n) + " k " + std::to_string(c.k) +
         " dtype " + std::to_string(c.dtype) + " c " + std::to_string(c.c_dtype) + " bias " +
         std::to_string(c.bias_dtype) + " ta " + std::to_string(c.transpose_a) + " tb " +
         std::to_string(c.transpose_b) + " batch " + std::to_string(c.batch) + " padding " +
         std::to_string(c.padding) + " alpha " + std::to_string(c.alpha) + " beta " +
         std::to_string(c.beta) + " activation " + std::to_string(c.activation) + " pre " +
         std::to_string(c.pre_activation) + " words " + std::to_string(c.words);
}

double activate(double x, int32_t activation) {
  switch (activation) {
    case NAMP_ACTIVATION_RELU:
      return x > 0 ? x : 0;
    case NAMP_ACTIVATION_GELU:
      return x * 0.5 * (1 + std::erf(x / std::sqrt(2.0)));
    case NAMP_ACTIVATION_GELU_TANH:
      return x * 0.5 *
             (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
    default:
      return x;
  }
}

class GemmTest : public MatrixTest {
 protected:
  void check(const Case& c) {
    SCOPED_TRACE(describe(c));
    // Of a row's elements, from one to the next.
    const auto pitch = [&](int64_t elements) {
      return c.words ? (elements + 7) / 8 * 8 : elements + c.padding;
    };
    const int64_t lda = pitch(c.transpose_a ? c.m : c.k);
    const int64_t ldb = pitch(c.transpose_b ? c.k : c.n);
    const int64_t ldc = pitch(c.n);
    const int64_t offset = c.words ? 0 : 1;
    const int64_t stride_a = (c.transpose_a ? c.k : c.m) * lda + c.padding;
    const int64_t stride_b = c.shared_b ? 0 : (c.transpose_b ? c.n : c.k) * ldb + c.padding;
    const int64_t stride_c = c.m * ldc + c.padding;
    const int64_t size_b = c.shared_b ? (c.transpose_b ? c.n : c.k) * ldb : c.batch * stride_b;
    Buffer a(device_, c.dtype, random_values(c.batch * stride_a, 1), offset);
    Buffer b(device_, c.dtype, random_values(size_b, 2), 3 * offset);
    Buffer bias(device_, c.bias_dtype == NAMP_DTYPE_NONE ? NAMP_FLOAT32 : c.bias_dtype,
                random_values(c.n, 3), offset);
    Buffer out(device_, c.c_dtype, random_values(c.batch * stride_c, 4), offset);
    Buffer before(device_, c.c_dtype, random_values(c.batch * stride_c, 5), offset);
    const std::vector<double> old = out.values();
    const std::vector<double> old_before = before.values();
    auto args = make_args<namp_gemm_args>();
    args.transpose_a = c.transpose_a;
    args.transpose_b = c.transpose_b;
    args.a_dtype = args.b_dtype = c.dtype;
    args.c_dtype = c.c_dtype;
    args.m = c.m;
    args.n = c.n;
    args.k = c.k;
    args.batch = c.batch;
    args.a = a.data();
    args.lda = lda;
    args.stride_a = stride_a;
    args.b = b.data();
    args.ldb = ldb;
    args.stride_b = stride_b;
    args.c = out.data();
    args.ldc = ldc;
    args.stride_c = stride_c;
    args.bias = c.bias_dtype == NAMP_DTYPE_NONE ? nullptr : bias.data();
    args.bias_dtype = c.bias_dtype;
    args.alpha = c.alpha;
    args.beta = c.beta;
    args.activation = c.activation;
    args.pre_activation = c.pre_activation ? before.data() : nullptr;

    // The expected products are the same for all runs: computed once.
    std::vector<double> sums(old.size(), kNaN);
    std::vector<double> magnitudes(old.size(), 0.0);
    for (int64_t p = 0; p < c.batch; ++p) {
      for (int64_t i = 0; i < c.m; ++i) {
        for (int64_t j = 0; j < c.n; ++j) {
          double sum = 0;
          double magnitude = 0;
          for (int64_t k = 0; c.alpha != 0 && k < c.k; ++k) {
            const double x = a[p * stride_a + (c.transpose_a ? k * lda + i : i * lda + k)] *
                             b[p * stride_b + (c.transpose_b ? j * ldb + k : k * ldb + j)];
            sum += x;
            magnitude += std::abs(x);
          }
          const auto at = static_cast<size_t>(p * stride_c + i * ldc + j);
          sum *= static_cast<double>(c.alpha);
          magnitude *= std::abs(static_cast<double>(c.alpha));
          if (c.beta != 0) sum += static_cast<double>(c.beta) * old[at];
          if (args.bias != nullptr) sum += bias[j];
          sums[at] = sum;
          magnitudes[at] = magnitude + std::abs(static_cast<double>(c.beta)) + 1;
        }
      }
    }
    run_each(
        [&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out, &before},
        [&] {
          for (int64_t i = 0; i < out.size(); ++i) {
            const auto at = static_cast<size_t>(i);
            const std::string what = "element " + std::to_string(i);
            if (std::isnan(sums[at])) {
              ASSERT_EQ(out[i], old[at]) << what << " is not of C";
              ASSERT_EQ(before[i], old_before[at]) << what << " is not of the pre-activation";
              continue;
            }
            double source = sums[at];
            if (c.pre_activation) {
              expect_sum(before[i], sums[at], magnitudes[at], c.c_dtype, what + " before");
              source = before[i];
            } else {
              ASSERT_EQ(before[i], old_before[at]);
            }
            expect_sum(out[i], activate(source, c.activation), magnitudes[at], c.c_dtype, what);
            if (HasFatalFailure()) return;
          }
        });
  }
};

TEST_P(GemmTest, EveryDtypeAndTranspose) {
  const int64_t sizes[][3] = {{1, 1, 1},   {1, 7, 3},    {3, 5, 7},
                              {12, 32, 8}, {17, 33, 65}, {64, 10, 128}};
  const int32_t dtypes[][2] = {{NAMP_FLOAT32, NAMP_FLOAT32},
                               {NAMP_FLOAT16, NAMP_FLOAT16},
                               {NAMP_FLOAT16, NAMP_FLOAT32},
                               {NAMP_BFLOAT16, NAMP_BFLOAT16},
                               {NAMP_BFLOAT16, NAMP_FLOAT32}};
  for (const auto& size : sizes) {
    for (const auto& dtype : dtypes) {
      for (int transposes = 0; transposes < 4; ++transposes) {
        Case c{size[0], size[1], size[2]};
        c.dtype = dtype[0];
        c.c_dtype = dtype[1];
        c.transpose_a = (transposes & 1) != 0;
        c.transpose_b = (transposes & 2) != 0;
        check(c);
      }
    }
  }
}

TEST_P(GemmTest, BeyondOneBlock) {
  for (int32_t dtype : kFloats) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      // Sanitizers are slow: each way of reading A and B once.
      if (kSanitized && transposes != (dtype == NAMP_FLOAT32 ? 0 : dtype == NAMP_FLOAT16 ? 3 : 1))
        continue;
      Case c{250, 261, 300};
      if (device_.is_gpu()) c = {70, 66, 150};
      c.dtype = c.c_dtype = dtype;
      c.transpose_a = (transposes & 1) != 0;
      c.transpose_b = (transposes & 2) != 0;
      check(c);
    }
  }
}

// The kernels for tensor cores: tiles of 64 and of 128 rows and columns, of which those are for at
// least as many as there are multiprocessors; slices of 32 of k, whole and in part; operands whose
// rows begin at 16 bytes, and others. Each with other things behind the sums.
TEST_P(GemmTest, OnTensorCores) {
  if (!device_.is_gpu()) GTEST_SKIP() << "a GPU's";
  const int64_t sizes[][4] = {{64, 64, 32, 1},  {70, 66, 150, 1}, {8, 136, 104, 1}, {33, 40, 7, 4},
                              {128, 72, 64, 4}, {130, 5, 97, 4},  {136, 264, 40, 1}};
  int32_t round = 0;
  for (const auto& size : sizes) {
    for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
      for (int transposes = 0; transposes < 4; ++transposes) {
        if (is_slow() && (round + transposes) % 4 != 0) continue;
        Case c{size[0], size[1], size[2]};
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
        check(c);
        if (HasFailure()) return;
        ++round;
      }
    }
  }
}

// More rows of tiles than are taken at a time.
TEST_P(GemmTest, ManyTilesOnTensorCores) {
  if (!device_.is_gpu() || is_slow()) GTEST_SKIP() << "a GPU's";
  Case c{9 * 128 + 1, 2 * 128 + 8, 16};
  c.dtype = c.c_dtype = NAMP_FLOAT16;
  c.words = true;
  check(c);
}

// One product alone and as one of many, which are made in larger tiles, has the same bits.
TEST_P(GemmTest, TheTilesSizeDoesNotChangeABit) {
  if (!device_.is_gpu()) GTEST_SKIP() << "a GPU's";
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

// Random combinations of all settings.
TEST_P(GemmTest, Mixed) {
  std::mt19937 generator(7);
  const auto draw = [&](int64_t below) { return static_cast<int64_t>(generator() % below); };
  const float alphas[] = {1.0f, 1.0f, -0.5f, 0.0f};
  const float betas[] = {0.0f, 0.0f, 1.0f, 0.25f};
  for (int round = 0; round < (is_slow() ? 20 : kSanitized ? 60 : 200); ++round) {
    Case c{1 + draw(40), 1 + draw(70), draw(50)};
    c.dtype = kFloats[draw(3)];
    c.c_dtype = draw(2) == 0 ? NAMP_FLOAT32 : c.dtype;
    c.bias_dtype = static_cast<int32_t>(draw(4));
    c.transpose_a = draw(2) != 0;
    c.transpose_b = draw(2) != 0;
    c.batch = 1 + draw(3);
    c.shared_b = draw(3) == 0;
    c.padding = draw(2) * 3;
    c.alpha = alphas[draw(4)];
    c.beta = betas[draw(4)];
    c.activation = static_cast<int32_t>(draw(4));
    c.pre_activation = draw(3) == 0;
    check(c);
    if (HasFailure()) return;
  }
}

// The GPU adds in blocks; the CPU's own loops do not. Added one after the other, each of these
// products would lose most of its digits beyond 1, and the sum would be wrong by 2e-4.
TEST_P(GemmTest, LongSumsKeepTheirDigits) {
  const int64_t depth = is_slow() ? 8000 : 16000;
  Buffer a(device_, NAMP_FLOAT32, std::vector<double>(static_cast<size_t>(depth), 1.0));
  Buffer b(device_, NAMP_FLOAT32, std::vector<double>(static_cast<size_t>(depth), 1.0004));
  Buffer out(device_, NAMP_FLOAT32, 1);
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT32;
  args.m = args.n = args.ldb = args.ldc = 1;
  args.k = args.lda = depth;
  args.a = a.data();
  args.b = b.data();
  args.c = out.data();
  args.alpha = 1;
  run_each([&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out},
           [&] {
             ASSERT_NEAR(out[0] / (static_cast<double>(depth) * b[0]), 1.0,
                         device_.is_gpu() ? 5e-5 : 3e-4);
           });
}

TEST_P(GemmTest, NothingToSumOver) {
  for (int32_t dtype : kFloats) {
    Case c{5, 6, 0};
    c.dtype = c.c_dtype = dtype;
    check(c);
    c.bias_dtype = dtype;
    c.beta = 1;
    check(c);
    c.activation = NAMP_ACTIVATION_GELU;
    check(c);
  }
}

TEST_P(GemmTest, NothingToWriteNeedsNoPointers) {
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT32;
  args.lda = args.ldb = args.ldc = 4;
  args.k = 4;
  args.n = 4;
  EXPECT_EQ(namp_gemm(device_, &args, nullptr), NAMP_ERROR_INVALID_ARGUMENT);  // B is needed
  args.k = 0;
  EXPECT_EQ(namp_gemm(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
}

// With alpha 0 A and B are not read, with beta 0 C is not: their NaNs have no effect.
TEST_P(GemmTest, ZeroFactorsReadNothing) {
  Buffer nan(device_, NAMP_FLOAT32, std::vector<double>(16, kNaN));
  Buffer bias(device_, NAMP_FLOAT32, {1, 2, 3, 4});
  Buffer out(device_, NAMP_FLOAT32, std::vector<double>(16, kNaN));
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = args.c_dtype = args.bias_dtype = NAMP_FLOAT32;
  args.m = args.n = args.k = args.lda = args.ldb = args.ldc = 4;
  args.a = args.b = nan.data();
  args.c = out.data();
  args.bias = bias.data();
  run_each([&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out},
           [&] {
             for (int64_t i = 0; i < 16; ++i)
               ASSERT_EQ(out[i], static_cast<double>(i % 4 + 1));
           });
}

TEST_P(GemmTest, NanComesThrough) {
  for (int32_t dtype : kFloats) {
    std::vector<double> values(48 * 48, 1.0);
    values[5 * 48 + 7] = kNaN;
    values[9 * 48 + 3] = kInfinity;
    Buffer a(device_, dtype, values);
    Buffer b(device_, dtype, std::vector<double>(48 * 48, 1.0));
    Buffer out(device_, dtype, 48 * 48);
    auto args = make_args<namp_gemm_args>();
    args.a_dtype = args.b_dtype = args.c_dtype = dtype;
    args.m = args.n = args.k = args.lda = args.ldb = args.ldc = 48;
    args.a = a.data();
    args.b = b.data();
    args.c = out.data();
    args.alpha = 1;
    run_each([&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out},
             [&] {
               for (int64_t i = 0; i < out.size(); ++i) {
                 const int64_t row = i / 48;
                 if (row == 5) {
                   ASSERT_TRUE(std::isnan(out[i])) << i;
                 } else {
                   ASSERT_EQ(out[i], row == 9 ? kInfinity : 48.0) << i;
                 }
               }
             });
  }
}

TEST_P(GemmTest, HalfOverflowsToInfinity) {
  Buffer a(device_, NAMP_FLOAT16, {65504, 0});
  Buffer b(device_, NAMP_FLOAT16, {2, 0});
  Buffer out(device_, NAMP_FLOAT16, 1);
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT16;
  args.m = args.n = args.ldb = args.ldc = 1;
  args.k = args.lda = 2;
  args.a = a.data();
  args.b = b.data();
  args.c = out.data();
  args.alpha = 1;
  run_each([&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out},
           [&] { ASSERT_EQ(out[0], kInfinity); });
  args.alpha = 0.25f;  // the sum is in float32
  run_each([&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out},
           [&] { ASSERT_EQ(out[0], 32752.0); });
}

TEST_P(GemmTest, SteadyStateAsksForNoMemory) {
  Buffer a(device_, NAMP_FLOAT16, random_values(64 * 64, 1));
  Buffer out(device_, NAMP_FLOAT16, 64 * 64);
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = args.c_dtype = NAMP_FLOAT16;
  args.m = args.n = args.k = args.lda = args.ldb = args.ldc = 64;
  args.a = args.b = a.data();
  args.c = out.data();
  args.alpha = 1;
  namp_memory_statistics before = make_args<namp_memory_statistics>();
  namp_memory_statistics after = before;
  for (int run = 0; run < 5; ++run) {
    ASSERT_EQ(namp_gemm(device_, &args, nullptr), NAMP_OK);
    if (run == 0) {
      ASSERT_EQ(namp_memory_get_statistics(&before, device_), NAMP_OK);
    }
  }
  ASSERT_EQ(namp_memory_get_statistics(&after, device_), NAMP_OK);
  EXPECT_EQ(before.system_allocations, after.system_allocations);
}

TEST_P(GemmTest, RefusesWhatDoesNotFit) {
  Buffer matrix(device_, NAMP_FLOAT32, random_values(64, 1));
  Buffer out(device_, NAMP_FLOAT32, random_values(64, 2));
  auto good = make_args<namp_gemm_args>();
  good.a_dtype = good.b_dtype = good.c_dtype = NAMP_FLOAT32;
  good.m = good.n = good.k = good.lda = good.ldb = good.ldc = 4;
  good.a = good.b = matrix.data();
  good.c = out.data();
  good.alpha = 1;
  const auto refuse = [&](const std::function<void(namp_gemm_args&)>& spoil,
                          int32_t status = NAMP_ERROR_INVALID_ARGUMENT) {
    namp_gemm_args args = good;
    spoil(args);
    expect_refused(status, namp_gemm(device_, &args, nullptr), {&out});
  };
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_gemm(nullptr, &good, nullptr), {&out});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_gemm(device_, nullptr, nullptr), {&out});
  refuse([](auto& args) { args.struct_size -= 4; });
  refuse([](auto& args) { args.a = nullptr; });
  refuse([](auto& args) { args.b = nullptr; });
  refuse([](auto& args) { args.c = nullptr; });
  refuse([](auto& args) { args.m = -1; });
  refuse([](auto& args) { args.k = -1; });
  refuse([](auto& args) { args.batch = -1; });
  refuse([](auto& args) { args.lda = 3; });
  refuse([](auto& args) { args.ldc = 0; });
  refuse([](auto& args) { args.stride_a = -1; });
  refuse([](auto& args) { args.transpose_a = 2; });
  refuse([](auto& args) { args.a_dtype = NAMP_INT32; });
  refuse([](auto& args) { args.b_dtype = NAMP_FLOAT16; });
  refuse([](auto& args) { args.c_dtype = NAMP_BFLOAT16; });
  refuse([](auto& args) { args.activation = 4; });
  refuse([](auto& args) { args.m = args.n = INT64_C(1) << 40; });
  refuse([](auto& args) { args.m = INT64_MAX; });
  refuse([](auto& args) { args.batch = INT64_C(1) << 40, args.stride_c = INT64_C(1) << 40; });
  refuse([](auto& args) { args.batch = 2; });  // stride_c is 0
  refuse([&](auto& args) { args.bias = matrix.data(), args.bias_dtype = NAMP_DTYPE_NONE; });
  refuse([&](auto& args) { args.pre_activation = args.c; });
  refuse([](auto& args) { args.a = static_cast<const char*>(args.a) + 2; }, NAMP_ERROR_MISALIGNED);
}

NAMP_ON_EVERY_DEVICE(GemmTest);

}  // namespace
}  // namespace namp_test
