// Products of weights of 4 bits and rows of 8 bits, against exact sums of integers and the steps that
// nativeamp.h says.
#include "integer_codes.h"

namespace namp_test {
namespace {

struct Int4Sizes {
  int64_t n;
  int64_t k;
  int64_t group;

  int64_t groups() const { return (k + group - 1) / group; }
  int64_t row_bytes() const { return groups() * group / 2; }
};

// A weight [n, k] as namp_int4_pack lays it out.
class PackedInt4 {
 public:
  PackedInt4(Device& device, const std::vector<uint8_t>& bytes, const Buffer& scales,
             const Int4Sizes& sizes, int64_t shift)
      : plain_(device, bytes, shift + 1),
        packed_(device, NAMP_FLOAT32, words(device, sizes), shift) {
    const auto args = arguments(plain_, scales, packed_, sizes);
    EXPECT_EQ(namp_int4_pack(device, &args, nullptr), NAMP_OK) << namp_last_error_message();
  }
  void set(namp_int4_gemm_args& args) const {
    args.b = packed_.data();
    args.b_bytes = packed_.size() * 4;
  }

  static namp_int4_pack_args arguments(const Int4Sizes& sizes) {
    auto args = make_args<namp_int4_pack_args>();
    args.n = sizes.n;
    args.k = sizes.k;
    args.group = sizes.group;
    return args;
  }
  static namp_int4_pack_args arguments(const Codes& codes, const Buffer& scales,
                                       const Buffer& packed, const Int4Sizes& sizes) {
    auto args = arguments(sizes);
    args.codes = codes.as<uint8_t>();
    args.scales = scales.floats();
    args.packed = packed.data();
    args.packed_bytes = packed.size() * 4;
    return args;
  }
  static int64_t words(Device& device, const Int4Sizes& sizes) {
    int64_t bytes = -1;
    const auto args = arguments(sizes);
    EXPECT_EQ(namp_int4_packed_bytes(&bytes, device, &args), NAMP_OK) << namp_last_error_message();
    EXPECT_EQ(bytes % 4, 0);
    return bytes / 4;
  }

 private:
  Codes plain_;
  Buffer packed_;
};

class Int4ProductTest : public IntegerTest {
 protected:
  void check(int64_t m, const Int4Sizes& sizes, int32_t dtype, bool biased, int64_t shift,
             int fill = 0) {
    const auto [n, k, group] = sizes;
    SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
                 ", group " + std::to_string(group) + ", dtype " + std::to_string(dtype));
    const int64_t groups = sizes.groups();
    const int64_t row_bytes = sizes.row_bytes();
    std::vector<uint8_t> a_bytes = random_bytes(m * k, 1);
    std::vector<uint8_t> w_bytes = random_bytes(n * row_bytes, 2);
    if (fill != 0) {
      std::fill(a_bytes.begin(), a_bytes.end(), uint8_t{0x80});
      std::fill(w_bytes.begin(), w_bytes.end(), static_cast<uint8_t>(fill));
    }
    const Codes a(device_, a_bytes, shift);
    const Buffer w_scales(device_, NAMP_FLOAT32, random_values(n * groups, 4, 0.1), shift);
    const PackedInt4 weight(device_, w_bytes, w_scales, sizes, shift);
    const Buffer a_scales(device_, NAMP_FLOAT32, random_values(m * groups, 3, 0.01), shift);
    const Buffer bias(device_, NAMP_FLOAT32, random_values(n, 5), shift);
    Buffer c(device_, dtype, m * n, shift);
    auto args = make_args<namp_int4_gemm_args>();
    args.c_dtype = dtype;
    args.m = m;
    args.n = n;
    args.k = k;
    args.group = group;
    args.a = a.as<int8_t>();
    args.a_scales = a_scales.floats();
    weight.set(args);
    args.bias = biased ? bias.floats() : nullptr;
    args.c = c.data();
    run_targets([&] { return namp_int4_gemm(device_, &args, nullptr); }, {&c});
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        float x = 0;
        for (int64_t g = 0; g < groups; ++g) {
          int64_t sum = 0;
          for (int64_t p = g * group; p < std::min(k, (g + 1) * group); ++p) {
            const int pair = w_bytes[static_cast<size_t>(j * row_bytes + p / 2)];
            sum += code_of(a_bytes, i * k + p) * ((p % 2 == 0 ? pair & 15 : pair >> 4) - 8);
          }
          const float product =
              static_cast<float>(sum) * static_cast<float>(a_scales[i * groups + g]);
          x = multiplied_and_added(product, static_cast<float>(w_scales[j * groups + g]), x);
        }
        if (biased) x = x + static_cast<float>(bias[j]);
        ASSERT_EQ(c[i * n + j], rounded(static_cast<double>(x), dtype)) << i << ", " << j;
      }
    }
  }
};

TEST_P(Int4ProductTest, EveryDepth) {
  for (int64_t k = 0; k <= 140; k += k < 67 ? 1 : 9)
    check(1 + k % 7, {1 + k % 9, k, 32}, kFloats[k % 3], k % 2 == 0, k % 5);
}

TEST_P(Int4ProductTest, EveryGroupAndShape) {
  for (int64_t group : {32, 64, 128, 256}) {
    for (int64_t k : {31, 255, 256, 257, 600})
      check(1 + k % 3, {5, k, group}, NAMP_FLOAT32, true, 1);
    check(1, {67, 2048 + 48, group}, NAMP_FLOAT32, false, 0);  // several slices of a GPU's warp
    check(9, {35, 1088, group}, NAMP_BFLOAT16, true, 0);
  }
  check(70, {133, 96, 64}, NAMP_FLOAT16, true, 0);
  check(29, {40, 70, 32}, NAMP_FLOAT32, false, 1);
  check(0, {3, 40, 32}, NAMP_FLOAT32, true, 0);
  check(3, {0, 40, 32}, NAMP_FLOAT32, true, 0);
}

TEST_P(Int4ProductTest, LargestSumsAreExact) {
  for (int fill : {0xff, 0x01, 0x10}) {  // 7, and -8 beside -7, by -128
    check(1, {3, 512, 256}, NAMP_FLOAT32, false, 0, fill);
    check(7, {3, 512, 32}, NAMP_FLOAT32, false, 0, fill);
  }
}

// Chunks of rows that are more than a worker makes ready at a time.
TEST_P(Int4ProductTest, ManyRowsHaveTheBitsOfEach) {
  const Int4Sizes sizes{33, 320, 64};
  const int64_t rows = device_.is_emulated() ? 21 : 1500;
  const Codes a(device_, random_bytes(rows * sizes.k, 1), 0);
  const Buffer scales(device_, NAMP_FLOAT32, random_values(sizes.n * sizes.groups(), 4, 0.1));
  const PackedInt4 weight(device_, random_bytes(sizes.n * sizes.row_bytes(), 2), scales, sizes, 0);
  const Buffer a_scales(device_, NAMP_FLOAT32, random_values(rows * sizes.groups(), 3, 0.01));
  Buffer whole(device_, NAMP_FLOAT32, rows * sizes.n);
  auto args = make_args<namp_int4_gemm_args>();
  args.c_dtype = NAMP_FLOAT32;
  args.n = sizes.n;
  args.k = sizes.k;
  args.group = sizes.group;
  weight.set(args);
  args.m = rows;
  args.a = a.as<int8_t>();
  args.a_scales = a_scales.floats();
  args.c = whole.data();
  ASSERT_EQ(namp_int4_gemm(device_, &args, nullptr), NAMP_OK);
  args.m = 1;
  for (int64_t row = 0; row < rows; ++row) {
    Buffer alone(device_, NAMP_FLOAT32, sizes.n);
    args.a = a.as<int8_t>() + row * sizes.k;
    args.a_scales = a_scales.floats() + row * sizes.groups();
    args.c = alone.data();
    ASSERT_EQ(namp_int4_gemm(device_, &args, nullptr), NAMP_OK);
    for (int64_t j = 0; j < sizes.n; ++j)
      ASSERT_EQ(alone.bits(j), whole.bits(row * sizes.n + j)) << row << ", " << j;
  }
}

TEST_P(Int4ProductTest, HostileScalesGiveOneNaN) {
  const Int4Sizes sizes{1, 4, 32};
  for (float scale : {std::numeric_limits<float>::infinity(), std::nanf(""), -std::nanf("7")}) {
    const Codes a(device_, {0, 0, 0, 0}, 0);
    Buffer scales(device_, NAMP_FLOAT32, 1);
    scales.set_bits(0, float_bits(scale));
    const PackedInt4 weight(device_, random_bytes(16, 2), scales, sizes, 0);
    Buffer c(device_, NAMP_FLOAT32, 1);
    auto args = make_args<namp_int4_gemm_args>();
    args.c_dtype = NAMP_FLOAT32;
    args.m = args.n = 1;
    args.k = sizes.k;
    args.group = sizes.group;
    args.a = a.as<int8_t>();
    args.a_scales = scales.floats();
    weight.set(args);
    args.c = c.data();
    run_targets([&] { return namp_int4_gemm(device_, &args, nullptr); }, {&c});
    EXPECT_EQ(c.bits(0), 0x7fc00000u);
  }
}

// The layout is the same for every target, so that a weight outlives the choice of one.
TEST_P(Int4ProductTest, EveryTargetLaysAWeightOutAlike) {
  for (const Int4Sizes& sizes :
       {Int4Sizes{1, 1, 32}, {31, 5, 64}, {33, 64, 32}, {70, 0, 32}, {64, 131, 128}}) {
    const Codes codes(device_, random_bytes(sizes.n * sizes.row_bytes(), 3), 1);
    const Buffer scales(device_, NAMP_FLOAT32, random_values(sizes.n * sizes.groups(), 4));
    Buffer packed(device_, NAMP_FLOAT32, PackedInt4::words(device_, sizes), 3);
    const auto args = PackedInt4::arguments(codes, scales, packed, sizes);
    run_targets([&] { return namp_int4_pack(device_, &args, nullptr); }, {&packed});
  }
}

TEST_P(Int4ProductTest, RefusesWhatItCannotLayOut) {
  const Int4Sizes sizes{3, 40, 32};
  const Codes codes(device_, random_bytes(sizes.n * sizes.row_bytes(), 3), 1);
  const Buffer scales(device_, NAMP_FLOAT32, random_values(sizes.n * sizes.groups(), 4));
  Buffer packed(device_, NAMP_FLOAT32, PackedInt4::words(device_, sizes), 1);
  const auto pack = PackedInt4::arguments(codes, scales, packed, sizes);
  const auto refused = [&](auto change, int32_t status = NAMP_ERROR_INVALID_ARGUMENT) {
    auto bad = pack;
    change(bad);
    expect_refused(status, namp_int4_pack(device_, &bad, nullptr), {&packed});
  };
  using Args = namp_int4_pack_args&;
  refused([](Args a) { a.codes = nullptr; });
  refused([](Args a) { a.scales = nullptr; });
  refused([](Args a) { a.packed = nullptr; });
  refused([](Args a) { a.packed = static_cast<char*>(a.packed) + 2; }, NAMP_ERROR_MISALIGNED);
  refused([](Args a) { a.reserved = 1; });
  refused([](Args a) { a.struct_size = 8; });
  refused([](Args a) { --a.packed_bytes; });
  refused([](Args a) { ++a.packed_bytes; });
  for (int64_t group : {0, 16, 48, 512, -32})
    refused([=](Args a) { a.group = group; });
  for (int64_t size : {int64_t{-1}, int64_t{1} << 58, INT64_MAX, INT64_MIN}) {
    refused([=](Args a) { a.n = size; });
    refused([=](Args a) { a.k = size; });
    refused([=](Args a) { a.packed_bytes = size; });
  }
  int64_t bytes = 77;
  auto args = PackedInt4::arguments(sizes);
  EXPECT_EQ(namp_int4_packed_bytes(nullptr, device_, &args), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(namp_int4_packed_bytes(&bytes, device_, nullptr), NAMP_ERROR_INVALID_ARGUMENT);
  args.k = int64_t{1} << 62;
  EXPECT_EQ(namp_int4_packed_bytes(&bytes, device_, &args), NAMP_ERROR_INVALID_ARGUMENT);
  EXPECT_EQ(bytes, 77);
}

TEST_P(Int4ProductTest, RefusesWhatItCannotCompute) {
  const Int4Sizes sizes{2, 40, 32};
  const Codes a(device_, random_bytes(2 * sizes.k, 1), 0);
  const Buffer scales(device_, NAMP_FLOAT32, random_values(sizes.n * sizes.groups(), 4));
  const PackedInt4 weight(device_, random_bytes(sizes.n * sizes.row_bytes(), 2), scales, sizes, 0);
  Buffer c(device_, NAMP_FLOAT32, 4);
  auto product = make_args<namp_int4_gemm_args>();
  product.c_dtype = NAMP_FLOAT32;
  product.m = 2;
  product.n = sizes.n;
  product.k = sizes.k;
  product.group = sizes.group;
  product.a = a.as<int8_t>();
  product.a_scales = scales.floats();
  weight.set(product);
  product.c = c.data();
  const auto refused = [&](auto change, int32_t status = NAMP_ERROR_INVALID_ARGUMENT) {
    auto bad = product;
    change(bad);
    expect_refused(status, namp_int4_gemm(device_, &bad, nullptr), {&c});
  };
  using Args = namp_int4_gemm_args&;
  refused([](Args p) { p.a = nullptr; });
  refused([](Args p) { p.a_scales = nullptr; });
  refused([](Args p) { p.b = nullptr; });
  refused([](Args p) { p.c = nullptr; });
  refused([](Args p) { p.c_dtype = NAMP_INT32; });
  refused([](Args p) { --p.b_bytes; });
  refused([](Args p) { p.k = 96; });
  refused([](Args p) { p.group = 48; });
  refused([](Args p) { p.m = int64_t{1} << 60; });
  refused([](Args p) { p.m = -1; });
  refused([](Args p) { p.a_scales = reinterpret_cast<const float*>(p.a + 1); },
          NAMP_ERROR_MISALIGNED);
}

NAMP_ON_EVERY_DEVICE(Int4ProductTest);

}  // namespace
}  // namespace namp_test
