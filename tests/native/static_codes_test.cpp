// Products and convolutions of codes with a scale and a zero point that are known before, against
// exact integers.
#include "convolution_shapes.h"
#include "integer_codes.h"

namespace namp_test {
namespace {

class StaticProductTest : public IntegerTest {
 protected:
  void check_gemm(int64_t m, int64_t n, int64_t k, int zero_point, bool biased) {
    SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k) +
                 ", zero point " + std::to_string(zero_point));
    const std::vector<uint8_t> a_bytes = random_bytes(m * k, 1);
    const std::vector<uint8_t> b_bytes = random_bytes(n * k, 2);
    const Codes a(device_, a_bytes, 1);
    const PackedCodes b(device_, b_bytes, {n, k}, 2);
    const Buffer b_scales(device_, NAMP_FLOAT32, random_values(n, 4, 0.01), 1);
    const Buffer bias(device_, NAMP_FLOAT32, random_values(n, 5), 1);
    Buffer c(device_, NAMP_FLOAT32, m * n, 1);
    auto args = make_args<namp_int8_gemm_args>();
    args.c_dtype = NAMP_FLOAT32;
    args.m = m;
    args.n = n;
    args.k = k;
    args.a = a.as<int8_t>();
    b.set(args);
    args.b_scales = b_scales.floats();
    args.bias = biased ? bias.floats() : nullptr;
    args.c = c.data();
    args.a_scale = 0.03F;
    args.a_zero_point = zero_point;
    run_targets([&] { return namp_int8_gemm(device_, &args, nullptr); }, {&c});
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        int64_t sum = 0;
        for (int64_t p = 0; p < k; ++p)
          sum += int64_t{code_of(a_bytes, i * k + p) - zero_point} * code_of(b_bytes, j * k + p);
        float x = static_cast<float>(sum) * args.a_scale;
        x = x * static_cast<float>(b_scales[j]);
        if (biased) x = x + static_cast<float>(bias[j]);
        ASSERT_EQ(c[i * n + j], static_cast<double>(x)) << i << ", " << j;
      }
    }
  }
};

class StaticConvolutionTest : public IntegerTest {
 protected:
  // fill: of both codes; 0 for random ones.
  void check_convolution(const Shape& s, int32_t dtype, int zero_point, bool biased, bool relu,
                         int fill = 0) {
    SCOPED_TRACE("shape " + std::to_string(&s - kShapes) + ", dtype " + std::to_string(dtype) +
                 ", zero point " + std::to_string(zero_point));
    std::vector<uint8_t> in_bytes = random_bytes(s.inputs(), 1);
    std::vector<uint8_t> weight_bytes = random_bytes(s.weights(), 2);
    if (fill != 0) {
      std::fill(in_bytes.begin(), in_bytes.end(), static_cast<uint8_t>(fill));
      std::fill(weight_bytes.begin(), weight_bytes.end(), uint8_t{0x80});
    }
    const Codes input(device_, in_bytes, 1);
    const PackedCodes weight(device_, weight_bytes,
                             {s.out_channels, s.weights() / s.out_channels, s.kernel_h, s.kernel_w},
                             3);
    const Buffer scales(device_, NAMP_FLOAT32, random_values(s.out_channels, 4, 0.01), 1);
    const Buffer bias(device_, NAMP_FLOAT32, random_values(s.out_channels, 5), 1);
    Buffer output(device_, dtype, s.outputs(), 1);
    auto args = make_args<namp_int8_conv2d_args>();
    s.set(args);
    args.dtype = dtype;
    args.input = input.as<int8_t>();
    weight.set(args);
    args.weight_scales = scales.floats();
    args.bias = biased ? bias.floats() : nullptr;
    args.output = output.data();
    args.scale = 0.03F;
    args.zero_point = zero_point;
    args.activation = relu ? NAMP_ACTIVATION_RELU : NAMP_ACTIVATION_NONE;
    run_targets([&] { return namp_int8_conv2d(device_, &args, nullptr); }, {&output});
    std::vector<int64_t> sums(static_cast<size_t>(s.outputs()));
    for_products(s, [&](int64_t o, int64_t i, int64_t w) {
      sums[static_cast<size_t>(o)] +=
          int64_t{code_of(in_bytes, i) - zero_point} * code_of(weight_bytes, w);
    });
    for (int64_t o = 0; o < s.outputs(); ++o) {
      const int64_t channel = o / (s.out_h() * s.out_w()) % s.out_channels;
      float x = static_cast<float>(sums[static_cast<size_t>(o)]) * args.scale;
      x = x * static_cast<float>(scales[channel]);
      if (biased) x = x + static_cast<float>(bias[channel]);
      if (relu && x < 0) x = 0;
      ASSERT_EQ(output[o], rounded(static_cast<double>(x), dtype)) << "output " << o;
    }
  }
};

TEST_P(StaticProductTest, EveryZeroPoint) {
  for (int64_t k = 0; k <= 131; k += k < 67 ? 3 : 13)
    check_gemm(1 + k % 6, 1 + k % 9, k, kZeroPoints[k % 5], k % 2 == 0);
  check_gemm(67, 131, 70, -128, true);
  check_gemm(1, 5, NAMP_INT8_SHIFTED_MAX_K, 127, false);
  check_gemm(9, 70, 1000, -37, false);
  check_gemm(140, 290, 208, 127, true);  // on a GPU tiles of 128
}

// Operands are laid out in parts of at most 12 rows, 32 columns and 4 codes.
TEST_P(StaticProductTest, ProductsOfManyRows) {
  int turn = 0;
  for (int64_t m : every(1, 26))
    check_gemm(m, 32 * (m % 7) + m % 3, 60 + m, kZeroPoints[m % 5], m % 2 == 0);
  for (int64_t k : {1, 3, 4, 5, 63, 64, 65, 130}) {
    for (int64_t n : {1, 16, 17, 31, 33}) {
      check_gemm(40 + turn % 13, n, k, kZeroPoints[turn % 5], turn % 2 == 0);
      ++turn;
    }
  }
  check_gemm(613, 3, 9, 5, true);
  check_gemm(290, 70, 20, 0, true);
  check_gemm(40, 3, NAMP_INT8_SHIFTED_MAX_K, -128, false);
}

NAMP_ON_EVERY_DEVICE(StaticProductTest);

TEST_P(StaticConvolutionTest, EveryShape) {
  int turn = 0;
  for (const Shape& shape : kShapes) {
    for (int zero_point : {kZeroPoints[turn % 5], kZeroPoints[(turn + 2) % 5]}) {
      ++turn;
      if (is_slow() && turn % 5 != 0) continue;
      check_convolution(shape, kFloats[turn % 3], zero_point, turn % 2 == 0, turn % 4 < 2);
      if (HasFailure()) return;
    }
  }
}

TEST_P(StaticConvolutionTest, RowsOfEveryLength) {
  for (int64_t width : every(1, 40)) {
    check_convolution({1, 5, 3, width, 3, 3, 3, 1, 1, 1, 1}, NAMP_FLOAT32, -5, true, false);
    check_convolution({1, 4, 2, 2 * width, 1, 1, 2, 1, 2}, NAMP_FLOAT32, -128, true, false);
  }
  check_convolution({0, 4, 2, 3, 1, 1, 1}, NAMP_FLOAT32, 0, true, false);
}

// Groups of one channel have their words along the rows, unless the kernel is dilated there.
TEST_P(StaticConvolutionTest, OneChannelAGroup) {
  for (int64_t width : every(1, 40)) {
    const int64_t kernel = 1 + width % 9;
    const int64_t stride = 1 + width % 3;
    const int64_t dilation = width % 4 == 0 ? 2 : 1;
    check_convolution(
        {2, 2, 4, width, 4, 2, kernel, 1, stride, 1, kernel, 1 + width % 2, dilation, 2},
        NAMP_FLOAT32, kZeroPoints[width % 5], true, false);
  }
}

// Rows and columns of the same remainder by the stride lie together; a stride may be longer than the
// image.
TEST_P(StaticConvolutionTest, StridedRowsOfEveryLength) {
  for (int64_t width : every(1, 70)) {
    const int64_t stride = 1 + width % 3;
    const int zero_point = kZeroPoints[width % 5];
    check_convolution({1, 6, 5, width, 3, 3, 3, 2, 2, 1, 1}, NAMP_FLOAT32, zero_point, true, false);
    check_convolution({1, 3, 7, width, 3, 3, 3, stride, 2, 1, 1, 1, 1, 3}, NAMP_FLOAT32, zero_point,
                      false, true);
  }
  check_convolution({1, 5, 3, 7, 2, 2, 3, 9, 11, 1, 2}, NAMP_FLOAT32, 5, true, false);
  check_convolution({1, 2, 3, 7, 2, 2, 3, 9, 11, 1, 2, 1, 1, 2}, NAMP_FLOAT32, 5, true, false);
}

// Runs of positions go on from row to row, in parts of as many as the sums' memory holds.
TEST_P(StaticConvolutionTest, ImagesOfManyRuns) {
  check_convolution({1, 2, 70, 71, 2, 3, 3, 1, 1, 1, 1, 1, 1, 2}, NAMP_FLOAT32, -5, true, false);
  check_convolution({1, 1, 28, 28, 33, 3, 3, 1, 1, 1, 1}, NAMP_FLOAT32, -128, true, true);
  check_convolution({1, 2, 30, 29, 7, 1, 1}, NAMP_FLOAT32, 127, false, false);
}

// Sums that become infinite, or no numbers, by the scales and the bias.
TEST_P(StaticConvolutionTest, ScalesThatAreNoNumbers) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Shape s{1, 2, 3, 20, 5, 1, 1};
  const std::vector<float> scales{std::nanf(""), kInfinity, 1.0F, 3e38F, 1.0F};
  const std::vector<float> biases{1.0F, 0.5F, std::nanf(""), -kInfinity, kInfinity};
  const std::vector<uint8_t> in_bytes = random_bytes(s.inputs(), 1);
  const std::vector<uint8_t> weight_bytes = random_bytes(s.weights(), 2);
  const Codes input(device_, in_bytes, 1);
  const PackedCodes weight(device_, weight_bytes, {5, 2, 1, 1}, 0);
  const Buffer weight_scales(device_, NAMP_FLOAT32, {scales.begin(), scales.end()});
  const Buffer bias(device_, NAMP_FLOAT32, {biases.begin(), biases.end()});
  Buffer output(device_, NAMP_FLOAT32, s.outputs());
  auto args = make_args<namp_int8_conv2d_args>();
  s.set(args);
  args.dtype = NAMP_FLOAT32;
  args.input = input.as<int8_t>();
  weight.set(args);
  args.weight_scales = weight_scales.floats();
  args.bias = bias.floats();
  args.output = output.data();
  args.zero_point = -3;
  for (float scale : {0.03F, 1e37F}) {
    args.scale = scale;
    run_targets([&] { return namp_int8_conv2d(device_, &args, nullptr); }, {&output});
    for (int64_t o = 0; o < s.outputs(); ++o) {
      const auto channel = static_cast<size_t>(o / 60);
      int sum = 0;
      for (int64_t i = 0; i < 2; ++i)
        sum += (code_of(in_bytes, i * 60 + o % 60) + 3) *
               code_of(weight_bytes, static_cast<int64_t>(channel) * 2 + i);
      float x = static_cast<float>(sum) * scale;
      x = x * scales[channel];
      x = x + biases[channel];
      if (std::isnan(x)) {
        ASSERT_TRUE(std::isnan(output[o])) << o;
      } else {
        ASSERT_EQ(output[o], static_cast<double>(x)) << o;
      }
    }
  }
}

TEST_P(StaticConvolutionTest, LargestSumsAreExact) {
  const Shape shape{1, NAMP_INT8_SHIFTED_MAX_K, 1, 2, 1, 1, 1};
  check_convolution(shape, NAMP_FLOAT32, -128, false, false, 127);  // 255 by -128
  check_convolution(shape, NAMP_FLOAT32, 127, false, false, 0x80);  // -255 by -128
}

TEST_P(StaticConvolutionTest, RefusesWhatItCannotCompute) {
  Buffer output(device_, NAMP_FLOAT32, 64);
  Buffer made(device_, NAMP_UINT8, 64);
  const Buffer floats(device_, NAMP_FLOAT32, random_values(64, 1));
  const Codes bytes(device_, random_bytes(4096, 1), 0);
  auto codes = make_args<namp_tensor_codes_args>();
  codes.dtype = NAMP_FLOAT32;
  codes.count = 64;
  codes.input = floats.data();
  codes.codes = made.as<int8_t>();
  codes.scale = 1;
  auto product = make_args<namp_int8_gemm_args>();
  product.c_dtype = NAMP_FLOAT32;
  product.m = product.n = product.k = 2;
  product.a = bytes.as<int8_t>();
  const PackedCodes weight(device_, random_bytes(4, 2), {2, 2}, 0);
  weight.set(product);
  product.b_scales = floats.floats();
  product.c = output.data();
  product.a_scale = 1;
  auto convolution = make_args<namp_int8_conv2d_args>();
  Shape{1, 4, 4, 4, 2, 3, 3}.set(convolution);
  convolution.dtype = NAMP_FLOAT32;
  convolution.input = bytes.as<int8_t>();
  const PackedCodes kernels(device_, random_bytes(72, 3), {2, 36, 3, 3}, 0);
  kernels.set(convolution);
  convolution.weight_scales = floats.floats();
  convolution.output = output.data();
  convolution.scale = 1;
  const auto refuses = [&](int32_t status) {
    expect_refused(status, namp_quantize_tensor(device_, &codes, nullptr), {&made});
    expect_refused(status, namp_int8_gemm(device_, &product, nullptr), {&output});
    expect_refused(status, namp_int8_conv2d(device_, &convolution, nullptr), {&output});
  };
  for (float scale : {0.0F, -1.0F, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    codes.scale = product.a_scale = convolution.scale = scale;
    refuses(NAMP_ERROR_INVALID_ARGUMENT);
  }
  codes.scale = product.a_scale = convolution.scale = 1;
  for (int32_t zero_point : {-129, 128}) {
    codes.zero_point = product.a_zero_point = convolution.zero_point = zero_point;
    refuses(NAMP_ERROR_INVALID_ARGUMENT);
  }
  codes.zero_point = product.a_zero_point = convolution.zero_point = 1;
  product.k = NAMP_INT8_SHIFTED_MAX_K + 1;
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_int8_gemm(device_, &product, nullptr),
                 {&output});
  const auto refused = [&](auto change, int32_t status) {
    auto bad = convolution;
    change(bad);
    expect_refused(status, namp_int8_conv2d(device_, &bad, nullptr), {&output});
  };
  using Args = namp_int8_conv2d_args&;
  refused([](Args a) { a.groups = 3; }, NAMP_ERROR_INVALID_ARGUMENT);
  refused([](Args a) { a.in_channels = NAMP_INT8_SHIFTED_MAX_K / 9 + 1; },
          NAMP_ERROR_INVALID_ARGUMENT);
  refused([](Args a) { a.activation = NAMP_ACTIVATION_GELU; }, NAMP_ERROR_INVALID_ARGUMENT);
  refused([](Args a) { a.reserved = 1; }, NAMP_ERROR_INVALID_ARGUMENT);
  refused([](Args a) { a.weight = nullptr; }, NAMP_ERROR_INVALID_ARGUMENT);
  refused([](Args a) { --a.weight_bytes; }, NAMP_ERROR_INVALID_ARGUMENT);
  refused([](Args a) { a.weight_bytes = 2 * 36 * 9 + 1; }, NAMP_ERROR_INVALID_ARGUMENT);
  if (device_.is_gpu()) return;  // it lays no padded input out
  refused([](Args a) { a.pad_h = a.pad_w = a.stride_h = a.stride_w = int64_t{1} << 26; },
          NAMP_ERROR_OUT_OF_MEMORY);
}

NAMP_ON_EVERY_DEVICE(StaticConvolutionTest);

}  // namespace
}  // namespace namp_test
