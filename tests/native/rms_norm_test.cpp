// RMS norm against its definition in double.
#include "norm_residual.h"

namespace namp_test {
namespace {

struct ExpectedRms {
  std::vector<double> output, inverse, input_gradient, gamma_gradient;
};

// x and g are [rows, width]; gamma is [width].
ExpectedRms rms_norm(const Buffer& x, const Buffer& g, const std::vector<double>& gamma,
                     int64_t rows, int64_t width, double epsilon) {
  ExpectedRms e;
  e.gamma_gradient.assign(static_cast<size_t>(width), 0.0);
  const auto size = static_cast<double>(width);
  for (int64_t r = 0; r < rows; ++r) {
    double squares = 0;
    for (int64_t i = 0; i < width; ++i)
      squares += x[r * width + i] * x[r * width + i];
    const double rms = std::sqrt(squares / size + epsilon);
    // The derivative of x_i / rms is (1 - x_i x_j / (size rms^2)) / rms.
    double along = 0;
    for (int64_t i = 0; i < width; ++i) {
      const auto at = static_cast<size_t>(i);
      e.output.push_back(x[r * width + i] / rms * gamma[at]);
      e.gamma_gradient[at] += g[r * width + i] * x[r * width + i] / rms;
      along += g[r * width + i] * gamma[at] * x[r * width + i];
    }
    for (int64_t i = 0; i < width; ++i) {
      const double own = g[r * width + i] * gamma[static_cast<size_t>(i)] / rms;
      e.input_gradient.push_back(own - x[r * width + i] * along / (size * rms * rms * rms));
    }
    e.inverse.push_back(1 / rms);
  }
  return e;
}

class RmsNormTest : public BackendTest {
 protected:
  // Returns the bytes of the gradients. aligned: every tensor, instead of misaligned.
  std::vector<std::vector<uint8_t>> check(int64_t rows, int64_t width, int32_t input_dtype,
                                          int32_t output_dtype, bool affine, int64_t misalignment,
                                          bool aligned = false) {
    SCOPED_TRACE("rows " + std::to_string(rows) + ", width " + std::to_string(width) + ", dtypes " +
                 std::to_string(input_dtype) + std::to_string(output_dtype));
    const int64_t count = rows * width;
    const auto off = [&](int64_t more) { return aligned ? 0 : misalignment + more; };
    Buffer input(device_, input_dtype, random_values(count, 1, 1.0, 0.3), off(0));
    Buffer gradient(device_, output_dtype, random_values(count, 2), off(1));
    Buffer gamma(device_, NAMP_FLOAT32, random_values(width, 3, 0.5, 1.0), off(0));
    Buffer output(device_, output_dtype, count, off(0));
    Buffer inverse(device_, NAMP_FLOAT32, rows);
    Buffer input_gradient(device_, input_dtype, count, off(3));
    Buffer gamma_gradient(device_, NAMP_FLOAT32, width, 1);
    auto args = make_args<namp_rms_norm_args>();
    args.input_dtype = input_dtype;
    args.output_dtype = output_dtype;
    args.epsilon = 1e-5F;
    args.rows = rows;
    args.width = width;
    args.input = input.data();
    args.output = output.data();
    args.inverse_rms = inverse.floats();
    args.output_gradient = gradient.data();
    args.input_gradient = input_gradient.data();
    std::vector<double> gammas(static_cast<size_t>(width), 1.0);
    std::vector<Buffer*> gradients = {&input_gradient};
    if (affine) {
      args.gamma = gamma.floats();
      args.gamma_gradient = gamma_gradient.floats();
      gammas = gamma.values();
      gradients.push_back(&gamma_gradient);
    }
    run_everywhere([&] { return namp_rms_norm_forward(device_, &args, nullptr); },
                   {&output, &inverse});
    run_everywhere([&] { return namp_rms_norm_backward(device_, &args, nullptr); }, gradients);

    const ExpectedRms e = rms_norm(input, gradient, gammas, rows, width, double{args.epsilon});
    const double size = 1 + *std::max_element(e.inverse.begin(), e.inverse.end());
    expect_close(output, e.output, 2e-6 * size, "output");
    expect_close(inverse, e.inverse, 1e-6 * size, "inverse");
    expect_close(input_gradient, e.input_gradient, 4e-6 * size, "input gradient");
    check_residual_gradient(
        device_, args, namp_rms_norm_backward, input_gradient, e.input_gradient,
        [&](const auto& call, const std::vector<Buffer*>& outputs) {
          run_everywhere(call, outputs);
        },
        [&](const Buffer& sum, const std::vector<double>& expected) {
          expect_close(sum, expected, 4e-6 * size, "sum of gradients");
        });
    if (affine) {
      expect_close(gamma_gradient, e.gamma_gradient,
                   2e-6 * size * std::sqrt(static_cast<double>(rows)), "gamma");
    }
    return {input_gradient.bytes(), gamma_gradient.bytes()};
  }
};

TEST_P(RmsNormTest, EveryWidthAndDtypePair) {
  for (int32_t input : kFloats) {
    for (int32_t output : kFloats) {
      for (int64_t width : every(1, 67))
        check(1 + width % 4, width, input, output, width % 5 != 0, width % 3);
    }
  }
}

TEST_P(RmsNormTest, ManyRows) {
  check(is_slow() ? 40 : 300, 33, NAMP_FLOAT32, NAMP_FLOAT16, true, 0);
  if (!is_slow()) check(131, 1024, NAMP_BFLOAT16, NAMP_BFLOAT16, true, 1);
}

// As of layer norm.
TEST_P(RmsNormTest, AlignedRowsGiveTheBitsOfOthers) {
  const auto compare = [&](int64_t rows, int64_t width, int32_t input, int32_t output) {
    EXPECT_EQ(check(rows, width, input, output, true, 1, true),
              check(rows, width, input, output, true, 1))
        << rows << " x " << width << ", " << input << " " << output;
  };
  for (int32_t dtype : kFloats) {
    compare(21, 40, dtype, dtype);
    if (dtype != NAMP_FLOAT32) compare(5, 776, NAMP_FLOAT32, dtype);
    if (is_slow()) continue;
    compare(300, 264, dtype, dtype);
    compare(9, 1024, dtype, dtype);
    compare(3, 1032, dtype, dtype);
  }
}

TEST_P(RmsNormTest, WithoutRowsTheGradientOfGammaIsZero) {
  Buffer gamma_gradient(device_, NAMP_FLOAT32, std::vector<double>{1, 2, 3});
  auto args = make_args<namp_rms_norm_args>();
  args.input_dtype = args.output_dtype = NAMP_FLOAT32;
  args.width = 3;
  args.gamma_gradient = gamma_gradient.floats();
  ASSERT_EQ(namp_rms_norm_forward(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  ASSERT_EQ(namp_rms_norm_backward(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(gamma_gradient.values(), (std::vector<double>{0, 0, 0}));
}

TEST_P(RmsNormTest, RefusesWhatIsNone) {
  Buffer x(device_, NAMP_FLOAT32, std::vector<double>{1, 2}), inverse(device_, NAMP_FLOAT32, 1);
  const auto refused = [&](auto&& spoil, const char* named) {
    auto args = make_args<namp_rms_norm_args>();
    args.input_dtype = args.output_dtype = NAMP_FLOAT32;
    args.rows = 1;
    args.width = 2;
    args.input = x.data();
    args.output = x.data();
    args.inverse_rms = inverse.floats();
    spoil(args);
    EXPECT_NE(namp_rms_norm_forward(device_, &args, nullptr), NAMP_OK) << named;
    EXPECT_NE(std::string(namp_last_error_message()).find(named), std::string::npos)
        << namp_last_error_message();
  };
  using A = namp_rms_norm_args;
  refused([](A& a) { a.struct_size = 8; }, "struct_size");
  refused([](A& a) { a.input_dtype = NAMP_INT32; }, "input_dtype");
  refused([](A& a) { a.epsilon = -1; }, "epsilon");
  refused([](A& a) { a.epsilon = NAN; }, "epsilon");
  refused([](A& a) { a.width = 0; }, "width");
  refused([](A& a) { a.rows = -1; }, "rows");
  refused([](A& a) { a.input = nullptr; }, "input");
  refused([](A& a) { a.output = nullptr; }, "output");
  refused([](A& a) { a.inverse_rms = nullptr; }, "inverse_rms");
  EXPECT_TRUE(x.unchanged());
}

NAMP_ON_EVERY_DEVICE(RmsNormTest);

}  // namespace
}  // namespace namp_test
