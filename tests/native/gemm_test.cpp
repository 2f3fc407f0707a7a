// Matrix products against a triple loop in double.
#include "gemm_test.h"

namespace namp_test {
namespace {

TEST_P(GemmTest, EveryDtypeAndTranspose) {
  const int64_t sizes[][3] = {{1, 1, 1},    {1, 7, 3},     {3, 5, 7},  {12, 32, 8},
                              {17, 33, 65}, {64, 10, 128}, {1, 70, 77}};
  const int32_t dtypes[][2] = {{NAMP_FLOAT32, NAMP_FLOAT32},
                               {NAMP_FLOAT16, NAMP_FLOAT16},
                               {NAMP_FLOAT16, NAMP_FLOAT32},
                               {NAMP_BFLOAT16, NAMP_BFLOAT16},
                               {NAMP_BFLOAT16, NAMP_FLOAT32}};
  for (const auto& size : sizes) {
    for (const auto& dtype : dtypes) {
      for (int transposes = 0; transposes < 4; ++transposes) {
        GemmCase c{size[0], size[1], size[2]};
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
      if (is_sanitized() && transposes != (dtype == NAMP_FLOAT32   ? 0
                                           : dtype == NAMP_FLOAT16 ? 3
                                                                   : 1))
        continue;
      GemmCase c{250, 261, 300};
      if (device_.is_gpu()) c = {70, 66, 150};
      c.dtype = c.c_dtype = dtype;
      c.transpose_a = (transposes & 1) != 0;
      c.transpose_b = (transposes & 2) != 0;
      check(c);
    }
  }
}

// Rows of pairs in whole tiles, which are read where they are; those whose pairs lie at odd places,
// and those that lie at few places of a cache, which are not. Blocks of A that stay for those of B.
TEST_P(GemmTest, RowsOfPairs) {
  if (device_.is_gpu()) return;
  const int64_t sizes[][3] = {{48, 300, 160}, {16, 33, 1100}, {32, 40, 1024}};
  for (const auto& size : sizes) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      for (const bool words : {true, false}) {
        GemmCase c{size[0], size[1], size[2]};
        c.dtype = c.c_dtype = NAMP_BFLOAT16;
        c.transpose_a = (transposes & 1) != 0;
        c.transpose_b = (transposes & 2) != 0;
        c.words = words;
        c.padding = words ? 0 : 1;
        check(c);
        if (HasFailure()) return;
      }
    }
  }
}

// The gradient of a bias beside that of a weight. Beta and alpha are of the product alone.
TEST_P(GemmTest, SumsTheRowsOfA) {
  const int64_t sizes[][3] = {{1, 1, 1}, {7, 3, 40}, {70, 66, 150}, {136, 8, 33}, {5, 130, 0}};
  int32_t round = 0;
  for (const auto& size : sizes) {
    for (int32_t dtype : kFloats) {
      GemmCase c{size[0], size[1], size[2]};
      c.dtype = dtype;
      c.c_dtype = round % 2 == 0 ? NAMP_FLOAT32 : dtype;
      c.transpose_a = true;
      c.transpose_b = round % 3 == 0;
      c.row_sums = true;
      c.alpha = round % 4 == 1 ? -0.5f : round % 7 == 6 ? 0.0f : 1.0f;
      c.beta = round % 5 == 3 ? 0.5f : 0.0f;
      check(c);
      if (HasFailure()) return;
      ++round;
    }
  }
}

// The gradient of an activation's input from that of its output, which is a product.
TEST_P(GemmTest, MultipliesByTheActivationsSlope) {
  const auto slope = [](double kept, int32_t activation) {
    const double pi = 3.14159265358979323846;
    switch (activation) {
      case NAMP_ACTIVATION_RELU:
        return kept > 0 ? 1.0 : 0.0;
      case NAMP_ACTIVATION_GELU:
        return 0.5 * (1 + std::erf(kept / std::sqrt(2.0))) +
               kept * std::exp(-kept * kept / 2) / std::sqrt(2 * pi);
      case NAMP_ACTIVATION_GELU_TANH: {
        const double t = std::tanh(std::sqrt(2 / pi) * (kept + 0.044715 * kept * kept * kept));
        return 0.5 * (1 + t) +
               0.5 * kept * (1 - t * t) * std::sqrt(2 / pi) * (1 + 3 * 0.044715 * kept * kept);
      }
      default:
        return 1.0;
    }
  };
  const int64_t m = 37, n = 72, k = 45;
  for (const int32_t dtype : kFloats) {
    for (int32_t activation = 0; activation < 4; ++activation) {
      for (const int64_t ldc : {n, n + 3}) {
        const int64_t batch = ldc == n ? 1 : 2;
        SCOPED_TRACE(testing::Message()
                     << "dtype " << dtype << ", activation " << activation << ", ldc " << ldc);
        Buffer a(device_, dtype, random_values(batch * m * k, 1));
        Buffer b(device_, dtype, random_values(batch * k * n, 2));
        Buffer kept(device_, dtype, random_values(batch * m * ldc, 3));
        Buffer out(device_, dtype, random_values(batch * m * ldc, 4));
        const std::vector<double> old = out.values();
        auto args = make_args<namp_gemm_args>();
        args.a_dtype = args.b_dtype = args.c_dtype = dtype;
        args.m = m;
        args.n = args.ldb = n;
        args.k = args.lda = k;
        args.batch = batch;
        args.stride_a = m * k;
        args.stride_b = k * n;
        args.ldc = ldc;
        args.stride_c = m * ldc;
        args.a = a.data();
        args.b = b.data();
        args.c = out.data();
        args.alpha = 1;
        args.activation = activation;
        args.activation_kept = kept.data();
        std::vector<double> sums(old.size()), magnitudes(old.size());
        for (int64_t p = 0; p < batch; ++p) {
          for (int64_t i = 0; i < m; ++i) {
            for (int64_t j = 0; j < n; ++j) {
              double sum = 0, magnitude = 1;
              for (int64_t x = 0; x < k; ++x) {
                const double product = a[(p * m + i) * k + x] * b[(p * k + x) * n + j];
                sum += product;
                magnitude += std::abs(product);
              }
              const int64_t at = (p * m + i) * ldc + j;
              // Rounded before and after.
              const double factor = slope(kept[at], activation);
              const double rounding = tolerance(dtype) * std::abs(sum) * std::abs(factor);
              sums[static_cast<size_t>(at)] = sum * factor;
              magnitudes[static_cast<size_t>(at)] = 2 * magnitude + rounding / 2e-6;
            }
          }
        }
        run_each([&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out},
                 [&] {
                   for (int64_t i = 0; i < out.size(); ++i) {
                     const auto at = static_cast<size_t>(i);
                     if (i % ldc >= n) {
                       ASSERT_EQ(out[i], old[at]) << i;
                       continue;
                     }
                     expect_sum(out[i], sums[at], magnitudes[at], dtype,
                                [&] { return "element " + std::to_string(i); });
                     if (HasFatalFailure()) return;
                   }
                 });
        if (HasFailure()) return;
      }
    }
  }
}

// Sums of bfloat16 in pairs go on over blocks of 1,024 elements.
TEST_P(GemmTest, BeyondOneBlockOfPairs) {
  for (int transposes = 0; transposes < (device_.is_gpu() ? 1 : 4); ++transposes) {
    GemmCase c{37, 41, device_.is_gpu() ? 300 : 2083};
    c.dtype = c.c_dtype = NAMP_BFLOAT16;
    c.transpose_a = (transposes & 1) != 0;
    c.transpose_b = (transposes & 2) != 0;
    check(c);
  }
}

// Random combinations of all settings.
TEST_P(GemmTest, Mixed) {
  std::mt19937 generator(7);
  const auto draw = [&](int64_t below) { return static_cast<int64_t>(generator() % below); };
  const float alphas[] = {1.0f, 1.0f, -0.5f, 0.0f};
  const float betas[] = {0.0f, 0.0f, 1.0f, 0.25f};
  for (int round = 0; round < (is_slow() ? 20 : is_sanitized() ? 60 : 200); ++round) {
    GemmCase c{1 + draw(40), 1 + draw(70), draw(50)};
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
    GemmCase c{5, 6, 0};
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

TEST_P(GemmTest, ZeroFactorsReadNothing) { check_zero_factors(); }

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

// nativeamp.h: the instructions for pairs take them for zeros. Everything else keeps them.
TEST_P(GemmTest, SubnormalsAreZerosForInstructionsForPairs) {
  if (device_.is_gpu()) return;
  constexpr int64_t kDepth = 40;
  Buffer tiny(device_, NAMP_BFLOAT16, std::vector<double>(kDepth, std::ldexp(1.0, -130)));
  Buffer large(device_, NAMP_BFLOAT16, std::vector<double>(kDepth, std::ldexp(1.0, 120)));
  Buffer out(device_, NAMP_FLOAT32, 1);
  auto args = make_args<namp_gemm_args>();
  args.a_dtype = args.b_dtype = NAMP_BFLOAT16;
  args.c_dtype = NAMP_FLOAT32;
  args.m = args.n = args.ldb = args.ldc = 1;
  args.k = args.lda = kDepth;
  args.a = tiny.data();
  args.b = large.data();
  args.c = out.data();
  args.alpha = 1;
  run_each_loop([&](namp_device* device) { return namp_gemm(device, &args, nullptr); }, {&out},
                [&](int32_t simd) {
                  const bool flushes = simd == NAMP_SIMD_AVX512_BF16 || simd == NAMP_SIMD_AMX_BF16;
                  ASSERT_EQ(out[0], flushes ? 0.0 : kDepth * std::ldexp(1.0, -10));
                });
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
  refuse([](auto& args) { args.transpose_a = 1, args.row_sums = args.c; });
  Buffer sums(device_, NAMP_FLOAT32, random_values(4, 3));
  refuse([&](auto& args) { args.row_sums = sums.data(); });  // A is not transposed
  refuse([&](auto& args) { args.row_sums = sums.data(), args.transpose_a = 1, args.lda = 5; });
  refuse([&](auto& args) {
    args.row_sums = sums.data(), args.transpose_a = 1, args.batch = 2, args.stride_c = 16;
  });
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
  refuse([&](auto& args) { args.activation_kept = args.c; });
  refuse([&](auto& args) { args.activation_kept = matrix.data(), args.beta = 1; });
  refuse([&](auto& args) {
    args.activation_kept = args.bias = matrix.data();
    args.bias_dtype = NAMP_FLOAT32;
  });
  refuse([](auto& args) { args.a = static_cast<const char*>(args.a) + 2; }, NAMP_ERROR_MISALIGNED);
}

NAMP_ON_EVERY_DEVICE(GemmTest);

}  // namespace
}  // namespace namp_test
