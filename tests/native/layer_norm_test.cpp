// Layer norm against its definition in double.
#include "norm_residual.h"

namespace namp_test {
namespace {

struct Expected {
  std::vector<double> output, normalized, mean, inverse_deviation, input_gradient, gamma_gradient,
      beta_gradient;
  // The largest change of the gradients by a relative error of 1 in the normalized elements.
  std::vector<double> input_gradient_slope, gamma_gradient_slope;
};

// x and g are [rows, width]; gamma and beta are [width].
Expected layer_norm(const Buffer& x, const Buffer& g, const std::vector<double>& gamma,
                    const std::vector<double>& beta, int64_t rows, int64_t width, double epsilon) {
  Expected e;
  e.gamma_gradient.assign(static_cast<size_t>(width), 0.0);
  e.gamma_gradient_slope.assign(static_cast<size_t>(width), 0.0);
  e.beta_gradient.assign(static_cast<size_t>(width), 0.0);
  for (int64_t r = 0; r < rows; ++r) {
    double mean = 0;
    double variance = 0;
    for (int64_t i = 0; i < width; ++i)
      mean += x[r * width + i];
    mean /= static_cast<double>(width);
    for (int64_t i = 0; i < width; ++i)
      variance += std::pow(x[r * width + i] - mean, 2);
    const double inverse = 1 / std::sqrt(variance / static_cast<double>(width) + epsilon);
    double mean_g = 0;
    double mean_gx = 0;
    double mean_size = 0;
    for (int64_t i = 0; i < width; ++i) {
      const auto at = static_cast<size_t>(i);
      const double normal = (x[r * width + i] - mean) * inverse;
      e.output.push_back(normal * gamma[at] + beta[at]);
      e.normalized.push_back(normal);
      e.gamma_gradient[at] += g[r * width + i] * normal;
      e.gamma_gradient_slope[at] += std::abs(g[r * width + i] * normal);
      e.beta_gradient[at] += g[r * width + i];
      mean_g += g[r * width + i] * gamma[at] / static_cast<double>(width);
      const double product = g[r * width + i] * gamma[at] * normal / static_cast<double>(width);
      mean_gx += product;
      mean_size += std::abs(product);
    }
    for (int64_t i = 0; i < width; ++i) {
      const double normal = (x[r * width + i] - mean) * inverse;
      const double scaled = g[r * width + i] * gamma[static_cast<size_t>(i)];
      e.input_gradient.push_back(inverse * (scaled - mean_g - normal * mean_gx));
      e.input_gradient_slope.push_back(inverse * std::abs(normal) *
                                       (std::abs(mean_gx) + mean_size));
    }
    e.mean.push_back(mean);
    e.inverse_deviation.push_back(inverse);
  }
  return e;
}

// The largest relative error of a rounding.
double rounding(int32_t dtype) {
  return dtype == NAMP_FLOAT32 ? 0x1p-24 : dtype == NAMP_FLOAT16 ? 0x1p-11 : 0x1p-8;
}

// expected, moved towards actual by at most the allowed error.
std::vector<double> allowing(std::vector<double> expected, const Buffer& actual,
                             const std::vector<double>& slope, double error) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const double allowed = error * slope[i];
    expected[i] += std::clamp(actual.values()[i] - expected[i], -allowed, allowed);
  }
  return expected;
}

class LayerNormTest : public BackendTest {
 protected:
  struct Case {
    int64_t rows = 1;
    int64_t width = 1;
    int32_t input_dtype = NAMP_FLOAT32;
    int32_t output_dtype = NAMP_FLOAT32;
    bool affine = true;
    bool keeps_normalized = false;
    double scale = 1;
    double shift = 0.3;
    int64_t misalignment = 1;
    bool aligned = false;  // every tensor, instead
    double relative = 0;
    double absolute = 2e-6;
  };

  // Returns the bytes of the gradients.
  std::vector<std::vector<uint8_t>> check(const Case& c) {
    SCOPED_TRACE("rows " + std::to_string(c.rows) + ", width " + std::to_string(c.width) +
                 ", dtypes " + std::to_string(c.input_dtype) + std::to_string(c.output_dtype));
    const int64_t count = c.rows * c.width;
    const auto off = [&](int64_t more) { return c.aligned ? 0 : c.misalignment + more; };
    Buffer input(device_, c.input_dtype, random_values(count, 1, c.scale, c.shift), off(0));
    Buffer gradient(device_, c.output_dtype, random_values(count, 2), off(1));
    Buffer gamma(device_, NAMP_FLOAT32, random_values(c.width, 3, 0.5, 1.0), off(0));
    Buffer beta(device_, NAMP_FLOAT32, random_values(c.width, 4), off(2));
    Buffer output(device_, c.output_dtype, count, off(0));
    Buffer normalized(device_, c.output_dtype, count, off(1));
    Buffer mean(device_, NAMP_FLOAT32, c.rows);
    Buffer inverse(device_, NAMP_FLOAT32, c.rows);
    Buffer input_gradient(device_, c.input_dtype, count, off(3));
    Buffer gamma_gradient(device_, NAMP_FLOAT32, c.width, 1);
    Buffer beta_gradient(device_, NAMP_FLOAT32, c.width, 1);
    auto args = make_args<namp_layer_norm_args>();
    args.input_dtype = c.input_dtype;
    args.output_dtype = c.output_dtype;
    args.epsilon = 1e-5F;
    args.rows = c.rows;
    args.width = c.width;
    args.input = input.data();
    args.output = output.data();
    args.mean = mean.floats();
    args.inverse_deviation = inverse.floats();
    args.output_gradient = gradient.data();
    args.input_gradient = input_gradient.data();
    std::vector<double> gammas(static_cast<size_t>(c.width), 1.0);
    std::vector<double> betas(static_cast<size_t>(c.width), 0.0);
    if (c.affine) {
      args.gamma = gamma.floats();
      args.beta = beta.floats();
      args.gamma_gradient = gamma_gradient.floats();
      args.beta_gradient = beta_gradient.floats();
      gammas = gamma.values();
      betas = beta.values();
    }
    run_everywhere([&] { return namp_layer_norm_forward(device_, &args, nullptr); },
                   {&output, &mean, &inverse});
    if (c.keeps_normalized) {
      const std::vector<uint8_t> without = output.bytes();
      args.normalized = normalized.data();
      args.mean = nullptr;
      run_everywhere([&] { return namp_layer_norm_forward(device_, &args, nullptr); },
                     {&output, &normalized, &inverse});
      EXPECT_EQ(output.bytes(), without);
      args.input = nullptr;
    }
    std::vector<Buffer*> gradients = {&input_gradient};
    if (c.affine) gradients.insert(gradients.end(), {&gamma_gradient, &beta_gradient});
    run_everywhere([&] { return namp_layer_norm_backward(device_, &args, nullptr); }, gradients);

    const Expected e =
        layer_norm(input, gradient, gammas, betas, c.rows, c.width, double{args.epsilon});
    expect_close(output, e.output, c.absolute, "output", c.relative);
    expect_close(mean, e.mean, 1e-6, "mean", c.relative);
    expect_close(inverse, e.inverse_deviation, 1e-6, "inverse deviation", c.relative);
    if (c.keeps_normalized) expect_close(normalized, e.normalized, c.absolute, "normalized");
    const double error = c.keeps_normalized ? rounding(c.output_dtype) : 0;
    // Terms of the gradient cancel: the tolerance depends on the size of the terms, about
    // 1/deviation.
    const double size =
        1 + *std::max_element(e.inverse_deviation.begin(), e.inverse_deviation.end());
    expect_close(input_gradient,
                 allowing(e.input_gradient, input_gradient, e.input_gradient_slope, error),
                 c.absolute * 2 * size, "input gradient", c.relative);
    args.beta_gradient = nullptr;
    check_residual_gradient(
        device_, args, namp_layer_norm_backward, input_gradient, e.input_gradient,
        [&](const auto& call, const std::vector<Buffer*>& outputs) {
          run_everywhere(call, outputs);
        },
        [&](const Buffer& sum, const std::vector<double>& expected) {
          expect_close(sum, allowing(expected, sum, e.input_gradient_slope, error),
                       c.absolute * 2 * size, "sum of gradients", c.relative);
        });
    if (c.affine) {
      const double terms = std::sqrt(static_cast<double>(c.rows));
      expect_close(gamma_gradient,
                   allowing(e.gamma_gradient, gamma_gradient, e.gamma_gradient_slope, error),
                   c.absolute * terms, "gamma", c.relative);
      expect_close(beta_gradient, e.beta_gradient, c.absolute * terms, "beta", c.relative);
    }
    return {input_gradient.bytes(), gamma_gradient.bytes(), beta_gradient.bytes()};
  }

  void check_every_width_and_dtype_pair(bool keeps_normalized) {
    for (int32_t input : kFloats) {
      for (int32_t output : kFloats) {
        for (int64_t width : every(2, 67)) {
          Case c;
          c.rows = 1 + width % 4;
          c.width = width;
          c.input_dtype = input;
          c.output_dtype = output;
          c.misalignment = width % 3;
          c.affine = !keeps_normalized || width % 5 != 0;
          c.keeps_normalized = keeps_normalized;
          check(c);
        }
      }
    }
  }
};

TEST_P(LayerNormTest, EveryWidthAndDtypePair) { check_every_width_and_dtype_pair(false); }

// Backward then reads neither the input nor the mean. The output's bits are the same as without;
// the gradients are right up to the effect of rounding the kept elements.
TEST_P(LayerNormTest, KeepsNormalizedRowsForBackward) {
  check_every_width_and_dtype_pair(true);
  if (is_slow()) return;
  for (int32_t output : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    Case c;
    c.rows = 131;
    c.width = 256;
    c.output_dtype = output;
    c.keeps_normalized = true;
    check(c);
  }
}

TEST_P(LayerNormTest, LargeShapes) {
  for (int32_t dtype : kFloats) {
    if (is_slow() && dtype != NAMP_FLOAT16) continue;
    for (const auto& [rows, width] :
         {std::pair<int64_t, int64_t>{131, 256}, {300, 1023}, {3, 20011}, {2049, 33}}) {
      Case c;
      c.rows = rows;
      c.width = width;
      c.input_dtype = dtype;
      c.output_dtype = dtype;
      check(c);
    }
  }
}

// On a GPU, rows that all begin at 16 bytes go another way, for the types of a model in one precision or under
// autocast. It adds in the same order.
TEST_P(LayerNormTest, AlignedRowsGiveTheBitsOfOthers) {
  const auto compare = [&](int64_t rows, int64_t width, int32_t input, int32_t output, bool keeps) {
    Case c;
    c.rows = rows;
    c.width = width;
    c.input_dtype = input;
    c.output_dtype = output;
    c.keeps_normalized = keeps;
    const auto others = check(c);
    c.aligned = true;
    EXPECT_EQ(check(c), others) << rows << " x " << width << ", " << input << " " << output;
  };
  for (int32_t dtype : kFloats) {
    compare(21, 40, dtype, dtype, false);
    if (is_slow()) continue;
    for (const auto& [rows, width] : {std::pair<int64_t, int64_t>{3, 8}, {300, 264}, {9, 1024}})
      compare(rows, width, dtype, dtype, false);
  }
  for (int32_t half : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    compare(21, 776, NAMP_FLOAT32, half, true);
    if (is_slow()) continue;
    compare(300, 768, NAMP_FLOAT32, half, true);
    compare(5, 1032, NAMP_FLOAT32, half, true);
    compare(21, 520, NAMP_FLOAT32, half, false);
  }
}

TEST_P(LayerNormTest, WithoutParameters) {
  Case c;
  c.rows = 9;
  c.width = 61;
  c.affine = false;
  check(c);
}

// With one column the output is beta, and the input's gradient is 0.
TEST_P(LayerNormTest, OfOneColumn) {
  Case c;
  c.rows = 5;
  check(c);
}

// The deviations are 1e-4 of the mean: a variance from E[x^2] - E[x]^2 would have no correct digit.
// The remaining error is the rounding of the mean, which is stored in float32: half of 2^-10.
TEST_P(LayerNormTest, KeepsItsDigitsWhenTheMeanIsLarge) {
  for (int64_t width : {64, 1000, 4099}) {
    Case c;
    c.rows = 3;
    c.width = width;
    c.shift = 1e4;
    c.relative = 1e-4;
    c.absolute = 1e-3;
    check(c);
  }
}

TEST_P(LayerNormTest, ConstantRowsGiveBeta) {
  Buffer input(device_, NAMP_FLOAT16, std::vector<double>(200, 1234.0));
  Buffer output(device_, NAMP_FLOAT16, 200);
  Buffer mean(device_, NAMP_FLOAT32, 2);
  Buffer inverse(device_, NAMP_FLOAT32, 2);
  auto args = make_args<namp_layer_norm_args>();
  args.input_dtype = args.output_dtype = NAMP_FLOAT16;
  args.epsilon = 1e-5F;
  args.rows = 2;
  args.width = 100;
  args.input = input.data();
  args.output = output.data();
  args.mean = mean.floats();
  args.inverse_deviation = inverse.floats();
  run_everywhere([&] { return namp_layer_norm_forward(device_, &args, nullptr); },
                 {&output, &mean, &inverse});
  for (int64_t i = 0; i < 200; ++i)
    EXPECT_EQ(output[i], 0.0);
  EXPECT_EQ(mean[1], 1234.0);
}

TEST_P(LayerNormTest, NaNStaysInItsRow) {
  std::vector<double> values = random_values(3 * 50, 1);
  values[60] = kNaN;
  values[110] = kInfinity;
  Buffer input(device_, NAMP_FLOAT32, values);
  Buffer output(device_, NAMP_FLOAT32, 150);
  Buffer mean(device_, NAMP_FLOAT32, 3);
  Buffer inverse(device_, NAMP_FLOAT32, 3);
  auto args = make_args<namp_layer_norm_args>();
  args.input_dtype = args.output_dtype = NAMP_FLOAT32;
  args.epsilon = 1e-5F;
  args.rows = 3;
  args.width = 50;
  args.input = input.data();
  args.output = output.data();
  args.mean = mean.floats();
  args.inverse_deviation = inverse.floats();
  ASSERT_EQ(namp_layer_norm_forward(device_, &args, nullptr), NAMP_OK);
  for (int64_t i = 0; i < 150; ++i)
    EXPECT_EQ(std::isnan(output[i]), i >= 50) << i;
}

TEST_P(LayerNormTest, NoRowsGiveZeroParameterGradients) {
  Buffer gamma_gradient(device_, NAMP_FLOAT32, 7);
  Buffer beta_gradient(device_, NAMP_FLOAT32, 7);
  auto args = make_args<namp_layer_norm_args>();
  args.input_dtype = args.output_dtype = NAMP_FLOAT32;
  args.epsilon = 1e-5F;
  args.width = 7;
  args.gamma_gradient = gamma_gradient.floats();
  args.beta_gradient = beta_gradient.floats();
  run_everywhere([&] { return namp_layer_norm_forward(device_, &args, nullptr); }, {});
  run_everywhere([&] { return namp_layer_norm_backward(device_, &args, nullptr); },
                 {&gamma_gradient, &beta_gradient});
  for (int64_t i = 0; i < 7; ++i) {
    EXPECT_EQ(gamma_gradient[i], 0.0);
    EXPECT_EQ(beta_gradient[i], 0.0);
  }
}

TEST_P(LayerNormTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  auto good = make_args<namp_layer_norm_args>();
  good.input_dtype = good.output_dtype = NAMP_FLOAT32;
  good.epsilon = 1e-5F;
  good.rows = 2;
  good.width = 4;
  good.input = data.floats();
  good.output = data.floats() + 8;
  good.mean = data.floats() + 16;
  good.inverse_deviation = data.floats() + 18;
  const auto refused = [&](int32_t status, auto change) {
    namp_layer_norm_args args = good;
    change(args);
    expect_refused(status, namp_layer_norm_forward(device_, &args, nullptr), {&data});
  };
  using Args = namp_layer_norm_args;
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.struct_size = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.input_dtype = NAMP_UINT8; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.output_dtype = 77; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.rows = -2; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.width = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.rows = INT64_MAX / 2; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.epsilon = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.epsilon = static_cast<float>(kNaN); });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.mean = nullptr; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.inverse_deviation = nullptr; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) {
    a.input = nullptr;
    a.normalized = a.output;
  });
  refused(NAMP_ERROR_MISALIGNED,
          [](Args& a) { a.normalized = reinterpret_cast<char*>(a.output) + 2; });
  refused(NAMP_ERROR_MISALIGNED, [](Args& a) {
    a.gamma = reinterpret_cast<const float*>(reinterpret_cast<const char*>(a.input) + 1);
  });
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_layer_norm_forward(device_, nullptr, nullptr));
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_layer_norm_backward(device_, &good, nullptr));
}

NAMP_ON_EVERY_DEVICE(LayerNormTest);

}  // namespace
}  // namespace namp_test
