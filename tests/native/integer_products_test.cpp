// Products with integer codes, against exact integers and double.
#include "integer_codes.h"

namespace namp_test {
namespace {

class Int8ProductTest : public IntegerTest {
 protected:
  void check_int8(int64_t m, int64_t n, int64_t k, int32_t dtype, bool biased, int64_t shift,
                  int fill = 0) {
    SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
                 ", dtype " + std::to_string(dtype));
    std::vector<uint8_t> a_bytes = random_bytes(m * k, 1);
    std::vector<uint8_t> b_bytes = random_bytes(n * k, 2);
    if (fill != 0) {
      std::fill(a_bytes.begin(), a_bytes.end(), uint8_t{0x80});
      std::fill(b_bytes.begin(), b_bytes.end(), static_cast<uint8_t>(fill));
    }
    const Codes a(device_, a_bytes, shift);
    const PackedCodes b(device_, b_bytes, {n, k}, shift);
    const Buffer a_scales(device_, NAMP_FLOAT32, random_values(m, 3, 0.01), shift);
    const Buffer b_scales(device_, NAMP_FLOAT32, random_values(n, 4, 0.01), shift);
    const Buffer bias(device_, NAMP_FLOAT32, random_values(n, 5), shift);
    Buffer c(device_, dtype, m * n, shift);
    auto args = make_args<namp_int8_gemm_args>();
    args.c_dtype = dtype;
    args.m = m;
    args.n = n;
    args.k = k;
    args.a = a.as<int8_t>();
    b.set(args);
    args.a_scales = a_scales.floats();
    args.b_scales = b_scales.floats();
    args.bias = biased ? bias.floats() : nullptr;
    args.c = c.data();
    run_targets([&] { return namp_int8_gemm(device_, &args, nullptr); }, {&c});
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        int64_t sum = 0;
        for (int64_t p = 0; p < k; ++p)
          sum += int64_t{code_of(a_bytes, i * k + p)} * code_of(b_bytes, j * k + p);
        float x = static_cast<float>(sum) * static_cast<float>(a_scales[i]);
        x = x * static_cast<float>(b_scales[j]);
        if (biased) x = x + static_cast<float>(bias[j]);
        ASSERT_EQ(c[i * n + j], rounded(static_cast<double>(x), dtype)) << i << ", " << j;
      }
    }
  }
};

class PackTest : public IntegerTest {};

class CodeProductTest : public IntegerTest {
 protected:
  void check_codes(int64_t m, int64_t n, int64_t k, int32_t bits, int64_t group, int32_t a_dtype,
                   int32_t c_dtype, bool biased, int64_t shift) {
    SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
                 ", bits " + std::to_string(bits) + ", group " + std::to_string(group) +
                 ", dtypes " + std::to_string(a_dtype) + std::to_string(c_dtype));
    const int64_t groups = bits == 8 ? 1 : (k + group - 1) / group;
    const int64_t row_bytes = bits == 8 ? k : groups * group / 2;
    const std::vector<uint8_t> bytes = random_bytes(n * row_bytes, 6);
    const Codes weights(device_, bytes, shift + 1);
    const Buffer a(device_, a_dtype, random_values(m * k, 7), shift);
    const Buffer scales(device_, NAMP_FLOAT32, random_values(n * groups, 8, 0.1), shift);
    const Buffer bias(device_, NAMP_FLOAT32, random_values(n, 9), shift);
    Buffer c(device_, c_dtype, m * n, shift);
    auto args = make_args<namp_code_gemm_args>();
    args.a_dtype = a_dtype;
    args.c_dtype = c_dtype;
    args.bits = bits;
    args.m = m;
    args.n = n;
    args.k = k;
    args.group = group;
    args.a = a.data();
    args.codes = weights.as<uint8_t>();
    args.scales = scales.floats();
    args.bias = biased ? bias.floats() : nullptr;
    args.c = c.data();
    run_targets([&] { return namp_code_gemm(device_, &args, nullptr); }, {&c});
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = biased ? bias[j] : 0;
        double magnitude = std::abs(sum);
        for (int64_t p = 0; p < k; ++p) {
          int level = 0;
          if (bits == 8) {
            level = code_of(bytes, j * k + p);
          } else {
            const uint8_t pair = bytes[static_cast<size_t>(j * row_bytes + p / 2)];
            level = (p % 2 == 0 ? pair & 15 : pair >> 4) - 8;
          }
          const double product =
              a[i * k + p] * level * scales[j * groups + (bits == 8 ? 0 : p / group)];
          sum += product;
          magnitude += std::abs(product);
        }
        // A sum of k / 16 terms in each accumulator, and the few after them.
        const double error = 1e-7 * static_cast<double>(k / 16 + 10) * magnitude;
        ASSERT_NEAR(c[i * n + j], sum, error + tolerance(c_dtype) * std::abs(sum))
            << i << ", " << j;
      }
    }
  }
};

TEST_P(Int8ProductTest, EveryDepthAndShape) {
  for (int64_t k = 0; k <= 131; k += k < 67 ? 1 : 7)
    check_int8(1 + k % 6, 1 + k % 9, k, kFloats[k % 3], k % 2 == 0, k % 5);
  check_int8(67, 131, 70, NAMP_FLOAT32, true, 1);
  check_int8(1, 200, 300, NAMP_BFLOAT16, false, 0);
  // Rows that begin at 16 bytes, and on a GPU tiles of both sizes.
  check_int8(3, 7, 1104, NAMP_FLOAT16, true, 0);
  check_int8(66, 72, 208, NAMP_BFLOAT16, true, 0);
  check_int8(150, 260, 80, NAMP_FLOAT16, true, 0);
  check_int8(150, 260, 80, NAMP_FLOAT16, true, 1);  // and other bytes
  check_int8(140, 270, 67, NAMP_FLOAT32, false, 1);
  check_int8(0, 3, 4, NAMP_FLOAT32, true, 0);
  check_int8(3, 0, 4, NAMP_FLOAT32, true, 0);
}

TEST_P(Int8ProductTest, LargestSumsAreExact) {
  check_int8(1, 5, NAMP_INT8_GEMM_MAX_K, NAMP_FLOAT32, false, 0, 0x80);  // -128 by -128
  check_int8(1, 5, NAMP_INT8_GEMM_MAX_K, NAMP_FLOAT32, false, 0, 0x7f);
}

TEST_P(Int8ProductTest, AGpuHasAKernelForFewRowsAndTilesOfTwoSizes) {
  if (!device_.is_emulated()) GTEST_SKIP() << "the emulated GPU counts launches";
  auto info = make_args<namp_device_info>();
  ASSERT_EQ(namp_device_get_info(&info, device_), NAMP_OK);
  const std::string tiles = info.compute_major < 8 ? "int8_gemm_sm75_" : "int8_gemm_";
  emulated_gpu()->reset_counters();
  check_int8(4, 9, 64, NAMP_FLOAT32, true, 0);
  check_int8(5, 9, 64, NAMP_FLOAT32, true, 0);
  const int64_t side = 128 * info.multiprocessors;
  check_int8(5, side, 16, NAMP_FLOAT32, true, 0);
  check_int8(5, side, 16, NAMP_FLOAT32, true, 1);  // large tiles are for words
  const uint64_t runs = device_.settings({1}).size();
  EXPECT_EQ(emulated_gpu()->launches_of("int8_gemm_rows_kernel"), runs);
  EXPECT_EQ(emulated_gpu()->launches_of((tiles + "64_kernel").c_str()), 2 * runs);
  EXPECT_EQ(emulated_gpu()->launches_of((tiles + "128_kernel").c_str()), runs);
}

NAMP_ON_EVERY_DEVICE(Int8ProductTest);

// As a token of a prompt has the product that the token alone has.
TEST_P(CodeProductTest, ARowOfCodesHasItsBitsAmongAnyNumberOfRows) {
  constexpr int64_t kRows = 53, kColumns = 7;
  for (int32_t bits : {4, 8}) {
    // More than a strip, and a part of a step.
    const int64_t k = 1024 + 64 + 5;
    const int64_t group = bits == 8 ? 0 : 32;
    const int64_t groups = bits == 8 ? 1 : (k + 31) / 32;
    const Codes weights(device_, random_bytes(kColumns * (bits == 8 ? k : groups * 16), 6), 1);
    const Buffer a(device_, NAMP_FLOAT32, random_values(kRows * k, 7), 1);
    const Buffer scales(device_, NAMP_FLOAT32, random_values(kColumns * groups, 8, 0.1), 1);
    Buffer whole(device_, NAMP_FLOAT32, kRows * kColumns, 1);
    auto args = make_args<namp_code_gemm_args>();
    args.a_dtype = args.c_dtype = NAMP_FLOAT32;
    args.bits = bits;
    args.n = kColumns;
    args.k = k;
    args.group = group;
    args.codes = weights.as<uint8_t>();
    args.scales = scales.floats();
    args.m = kRows;
    args.a = a.data();
    args.c = whole.data();
    ASSERT_EQ(namp_code_gemm(device_, &args, nullptr), NAMP_OK);
    args.m = 1;
    for (int64_t row = 0; row < kRows; ++row) {
      Buffer alone(device_, NAMP_FLOAT32, kColumns, 1);
      args.a = a.floats() + row * k;
      args.c = alone.data();
      ASSERT_EQ(namp_code_gemm(device_, &args, nullptr), NAMP_OK);
      for (int64_t j = 0; j < kColumns; ++j)
        ASSERT_EQ(alone.bits(j), whole.bits(row * kColumns + j)) << row << ", " << j;
    }
  }
}

TEST_P(CodeProductTest, OfEveryDepth) {
  for (int64_t k = 0; k <= 140; k += k < 67 ? 1 : 9) {
    check_codes(1 + k % 6, 1 + k % 7, k, 8, 0, kFloats[k % 3], kFloats[(k + 1) % 3], k % 2 == 0,
                k % 4);
    check_codes(1 + k % 6, 1 + k % 7, k, 4, 32, kFloats[k % 3], kFloats[k % 2], k % 2 == 1, k % 4);
  }
}

TEST_P(CodeProductTest, OfEveryGroupAndShape) {
  for (int64_t group : {32, 64, 128, 256}) {
    for (int64_t k : {1, 31, 255, 256, 257, 600})
      check_codes(1 + k % 3, 5, k, 4, group, NAMP_FLOAT32, NAMP_FLOAT32, true, 1);
  }
  for (int32_t bits : {4, 8}) {
    const int64_t group = bits == 4 ? 64 : 0;
    check_codes(1, 133, 200, bits, group, NAMP_FLOAT32, NAMP_FLOAT32, false, 0);
    check_codes(70, 37, 100, bits, group, NAMP_BFLOAT16, NAMP_FLOAT16, true, 1);
    check_codes(0, 3, 40, bits, group, NAMP_FLOAT32, NAMP_FLOAT32, true, 0);
    // One thread takes the columns by pieces of 48, several by fewer.
    if (!device_.is_gpu())
      check_codes(101, 103, 1100, bits, group, NAMP_FLOAT32, NAMP_FLOAT32, true, 1);
  }
}

TEST_P(CodeProductTest, HostileScalesGiveOneNaN) {
  for (float scale : {std::numeric_limits<float>::infinity(), std::nanf(""), -std::nanf("7")}) {
    const Codes weights(device_, {0x88, 8, 0x11, 5}, 0);
    const Buffer a(device_, NAMP_FLOAT32, std::vector<double>{0, 0, 0, 0});
    Buffer scales(device_, NAMP_FLOAT32, 1);
    scales.set_bits(0, float_bits(scale));
    Buffer c(device_, NAMP_FLOAT32, 1);
    auto args = make_args<namp_code_gemm_args>();
    args.a_dtype = args.c_dtype = NAMP_FLOAT32;
    args.bits = 8;
    args.m = args.n = 1;
    args.k = 4;
    args.a = a.data();
    args.codes = weights.as<uint8_t>();
    args.scales = scales.floats();
    args.c = c.data();
    run_targets([&] { return namp_code_gemm(device_, &args, nullptr); }, {&c});
    EXPECT_EQ(c.bits(0), 0x7fc00000u);
  }
}

TEST_P(CodeProductTest, RefusesWhatItCannotCompute) {
  Buffer c(device_, NAMP_FLOAT32, 64);
  const Buffer floats(device_, NAMP_FLOAT32, random_values(64, 1));
  const Codes bytes(device_, random_bytes(4096, 1), 0);
  auto product = make_args<namp_int8_gemm_args>();
  product.c_dtype = NAMP_FLOAT32;
  product.m = product.n = product.k = 2;
  product.a = bytes.as<int8_t>();
  const PackedCodes weight(device_, random_bytes(4, 2), {2, 2}, 0);
  weight.set(product);
  product.a_scales = product.b_scales = floats.floats();
  product.c = c.data();
  const auto refused = [&](namp_int8_gemm_args args, int32_t status) {
    expect_refused(status, namp_int8_gemm(device_, &args, nullptr), {&c});
  };
  auto bad = product;
  bad.k = NAMP_INT8_GEMM_MAX_K + 1;
  refused(bad, NAMP_ERROR_INVALID_ARGUMENT);
  bad = product;
  bad.a = nullptr;
  refused(bad, NAMP_ERROR_INVALID_ARGUMENT);
  // A weight that is not laid out, or another one.
  for (int64_t wrong : {product.b_bytes - 1, product.b_bytes + 1, int64_t{0}, int64_t{-1}}) {
    bad = product;
    bad.b_bytes = wrong;
    refused(bad, NAMP_ERROR_INVALID_ARGUMENT);
  }
  bad = product;
  bad.n = 40;
  refused(bad, NAMP_ERROR_INVALID_ARGUMENT);
  bad = product;
  bad.b = nullptr;
  refused(bad, NAMP_ERROR_INVALID_ARGUMENT);
  bad = product;
  bad.c_dtype = NAMP_INT32;
  refused(bad, NAMP_ERROR_INVALID_ARGUMENT);
  bad = product;
  bad.b_scales = reinterpret_cast<const float*>(bytes.as<char>() + 1);
  refused(bad, NAMP_ERROR_MISALIGNED);

  auto coded = make_args<namp_code_gemm_args>();
  coded.a_dtype = coded.c_dtype = NAMP_FLOAT32;
  coded.bits = 4;
  coded.group = 32;
  coded.m = coded.n = 1;
  coded.k = 32;
  coded.a = coded.scales = floats.floats();
  coded.codes = bytes.as<uint8_t>();
  coded.c = c.data();
  for (int64_t group : {0, 16, 48, 512, -32}) {
    auto wrong = coded;
    wrong.group = group;
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_code_gemm(device_, &wrong, nullptr), {&c});
  }
  auto wrong = coded;
  wrong.bits = 5;
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_code_gemm(device_, &wrong, nullptr), {&c});
  wrong = coded;
  wrong.k = int64_t{1} << 58;
  wrong.n = 64;
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_code_gemm(device_, &wrong, nullptr), {&c});
}

NAMP_ON_EVERY_DEVICE(CodeProductTest);

// The layout is the same for every target, so that a weight outlives the choice of one.
TEST_P(PackTest, EveryTargetLaysAWeightOutAlike) {
  for (const WeightSizes& sizes : {WeightSizes{1, 1},
                                   {31, 5},
                                   {33, 64},
                                   {70, 0},
                                   {64, 131},
                                   {3, 18, 3, 3},
                                   {17, 30, 2, 3},
                                   {5, 7, 1, 7},
                                   {0, 9, 3, 3}}) {
    const int64_t count = sizes.n * sizes.k;
    const Codes weight(device_, random_bytes(count, 3), 1);
    const int64_t bytes = PackedCodes::bytes_of(device_, sizes);
    EXPECT_GE(bytes, count);
    Buffer packed(device_, NAMP_UINT8, bytes, 3);
    const auto args = PackedCodes::arguments(weight, packed, sizes, bytes);
    run_targets([&] { return namp_int8_pack(device_, &args, nullptr); }, {&packed});
  }
}

TEST_P(PackTest, RefusesWhatItCannotLayOut) {
  constexpr int64_t kRows = 3, kDepth = 5;
  const Codes weight(device_, random_bytes(kRows * kDepth, 3), 1);
  const WeightSizes sizes{kRows, kDepth};
  Buffer packed(device_, NAMP_UINT8, PackedCodes::bytes_of(device_, sizes), 1);
  const auto pack = PackedCodes::arguments(weight, packed, sizes, packed.size());
  const auto refused = [&](auto change) {
    auto bad = pack;
    change(bad);
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_int8_pack(device_, &bad, nullptr), {&packed});
  };
  using Args = namp_int8_pack_args&;
  refused([](Args a) { a.weight = nullptr; });
  refused([](Args a) { a.packed = nullptr; });
  refused([](Args a) { a.reserved = 1; });
  refused([](Args a) { a.struct_size = 8; });
  refused([](Args a) { a.k = NAMP_INT8_GEMM_MAX_K + 1; });
  for (int64_t size : {int64_t{-1}, int64_t{1} << 57, INT64_MAX, INT64_MIN}) {
    refused([=](Args a) { a.n = size; });
    refused([=](Args a) { a.k = size; });
    refused([=](Args a) { a.packed_bytes = size; });
  }
  refused([](Args a) { --a.packed_bytes; });
  refused([](Args a) { ++a.packed_bytes; });
  refused([](Args a) { a.kernel_h = a.kernel_w = 2; });

  const auto no_size = [&](int64_t* bytes, const WeightSizes& of) {
    const auto args = PackedCodes::arguments(of);
    EXPECT_EQ(namp_int8_packed_bytes(bytes, device_, &args), NAMP_ERROR_INVALID_ARGUMENT);
  };
  int64_t bytes = 77;
  EXPECT_EQ(namp_int8_packed_bytes(&bytes, device_, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  no_size(nullptr, {1, 1});
  no_size(&bytes, {-1, 1});
  no_size(&bytes, {1, -1});
  no_size(&bytes, {1, NAMP_INT8_GEMM_MAX_K + 1});
  no_size(&bytes, {int64_t{1} << 58, 2});
  no_size(&bytes, {1, 9, 3, 0});
  no_size(&bytes, {1, 9, 0, 3});
  no_size(&bytes, {1, 9, -3, -3});
  no_size(&bytes, {1, 9, 2, 3});
  no_size(&bytes, {1, 0, 3, 3});
  no_size(&bytes, {1, 9, int64_t{1} << 32, int64_t{1} << 32});
  no_size(&bytes, {1, NAMP_INT8_SHIFTED_MAX_K + 1, 1, 1});
  EXPECT_EQ(bytes, 77);
}

NAMP_ON_EVERY_DEVICE(PackTest);

}  // namespace
}  // namespace namp_test
