// Activations against their definitions in double.
#include "backend_test.h"

namespace namp_test {
namespace {

const double kRootTwo = std::sqrt(2.0);
const double kPi = std::acos(-1.0);

double forward(int32_t activation, double x) {
  switch (activation) {
    case NAMP_ACTIVATION_RELU:
      return x > 0 || std::isnan(x) ? x : 0.0;
    case NAMP_ACTIVATION_GELU:
      return x * 0.5 * std::erfc(-x / kRootTwo);
    case NAMP_ACTIVATION_GELU_TANH:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x)));
    case NAMP_ACTIVATION_SILU:
      return x / (1 + std::exp(-x));
    case NAMP_ACTIVATION_SIGMOID:
      return 1 / (1 + std::exp(-x));
    case NAMP_ACTIVATION_TANH:
      return std::tanh(x);
    default:
      return x;
  }
}

// y is the output as it is stored, of which the backward pass of some activations makes the gradient.
double derivative(int32_t activation, double x, double y) {
  switch (activation) {
    case NAMP_ACTIVATION_RELU:
      return x > 0 ? 1 : 0;
    case NAMP_ACTIVATION_GELU:
      return 0.5 * std::erfc(-x / kRootTwo) + x * std::exp(-x * x / 2) / std::sqrt(2 * kPi);
    case NAMP_ACTIVATION_GELU_TANH: {
      const double root = std::sqrt(2 / kPi);
      const double t = std::tanh(root * (x + 0.044715 * x * x * x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * root * (1 + 3 * 0.044715 * x * x);
    }
    case NAMP_ACTIVATION_SILU: {
      const double s = 1 / (1 + std::exp(-x));
      return s + x * s * (1 - s);
    }
    case NAMP_ACTIVATION_SIGMOID:
      return y * (1 - y);
    case NAMP_ACTIVATION_TANH:
      return 1 - y * y;
    default:
      return 1;
  }
}

class ActivationTest : public BackendTest {
 protected:
  void check(int32_t activation, int32_t dtype, int64_t count, int64_t shift) {
    const std::string what = "activation " + std::to_string(activation) + ", dtype " +
                             std::to_string(dtype) + ", count " + std::to_string(count);
    SCOPED_TRACE(what);
    Buffer input(device_, dtype, random_values(count, 1, 3.0), shift);
    Buffer gradient(device_, dtype, random_values(count, 2), shift + 1);
    Buffer output(device_, dtype, count, shift + 2);
    Buffer input_gradient(device_, dtype, count, shift + 3);
    auto args = make_args<namp_activation_args>();
    args.activation = activation;
    args.dtype = dtype;
    args.count = count;
    args.input = input.data();
    args.output = output.data();
    args.output_gradient = gradient.data();
    args.input_gradient = input_gradient.data();
    run_everywhere([&] { return namp_activation_forward(device_, &args, nullptr); }, {&output});
    run_everywhere([&] { return namp_activation_backward(device_, &args, nullptr); },
                   {&input_gradient});
    std::vector<double> expected(static_cast<size_t>(count));
    std::vector<double> expected_gradient(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      const auto at = static_cast<size_t>(i);
      expected[at] = forward(activation, input[i]);
      expected_gradient[at] = gradient[i] * derivative(activation, input[i], output[i]);
    }
    expect_close(output, expected, 1e-6, "output");
    expect_close(input_gradient, expected_gradient, 1e-6, "gradient");
  }
};

TEST_P(ActivationTest, EveryLengthDtypeAndAlignment) {
  for (int32_t activation = NAMP_ACTIVATION_NONE; activation <= NAMP_ACTIVATION_TANH;
       ++activation) {
    for (int32_t dtype : kFloats) {
      for (int64_t count : every(0, 67))
        check(activation, dtype, count, count % 5);
      for (int64_t count : {1000, 16385, 40001})
        check(activation, dtype, count, 1);
    }
  }
}

TEST_P(ActivationTest, NaNPropagatesAndInfinityGoesWhereItShould) {
  for (int32_t activation : {NAMP_ACTIVATION_RELU, NAMP_ACTIVATION_GELU, NAMP_ACTIVATION_GELU_TANH,
                             NAMP_ACTIVATION_SILU, NAMP_ACTIVATION_SIGMOID, NAMP_ACTIVATION_TANH}) {
    const bool bounded =
        activation == NAMP_ACTIVATION_SIGMOID || activation == NAMP_ACTIVATION_TANH;
    const double near_enough = bounded || activation == NAMP_ACTIVATION_SILU ? 1e-7 : 1e-30;
    for (int32_t dtype : kFloats) {
      Buffer input(device_, dtype, {kNaN, kInfinity, 20.0, -20.0, -0.0});
      Buffer output(device_, dtype, 5);
      auto args = make_args<namp_activation_args>();
      args.activation = activation;
      args.dtype = dtype;
      args.count = 5;
      args.input = input.data();
      args.output = output.data();
      run_everywhere([&] { return namp_activation_forward(device_, &args, nullptr); }, {&output});
      EXPECT_TRUE(std::isnan(output[0]));
      EXPECT_EQ(output[1], bounded ? 1.0 : kInfinity);
      EXPECT_NEAR(output[2], bounded ? 1.0 : 20.0, near_enough);
      EXPECT_NEAR(output[3], activation == NAMP_ACTIVATION_TANH ? -1.0 : 0.0, near_enough);
      EXPECT_EQ(output[4], activation == NAMP_ACTIVATION_SIGMOID ? 0.5 : 0.0);
      if (activation == NAMP_ACTIVATION_TANH) {
        EXPECT_TRUE(std::signbit(output[4]));
      }
    }
  }
}

// Relatively, also where e^x is near 1 or tanh's formula changes.
TEST_P(ActivationTest, SmallAndLargeNumbersKeepTheirDigits) {
  std::vector<double> points;
  for (double x = 1e-38; x < 80; x *= 1.37) {
    points.push_back(x);
    points.push_back(-x);
  }
  for (int i = -40; i <= 40; ++i)
    points.push_back(0.625 + i * 0x1p-23);
  Buffer input(device_, NAMP_FLOAT32, points);
  Buffer output(device_, NAMP_FLOAT32, input.size());
  auto args = make_args<namp_activation_args>();
  args.dtype = NAMP_FLOAT32;
  args.count = input.size();
  args.input = input.data();
  args.output = output.data();
  for (int32_t activation : {NAMP_ACTIVATION_SILU, NAMP_ACTIVATION_SIGMOID, NAMP_ACTIVATION_TANH}) {
    args.activation = activation;
    run_everywhere([&] { return namp_activation_forward(device_, &args, nullptr); }, {&output});
    for (int64_t i = 0; i < input.size(); ++i) {
      const double expected = forward(activation, input[i]);
      ASSERT_NEAR(output[i], expected, 4e-7 * std::abs(expected) + 1e-44)
          << "activation " << activation << " of " << input[i];
    }
  }
}

// GELU and its slope at every bfloat16 and float16, computed in float32. The error grows as that of an
// exponential of -x^2 / 2; beyond -12.9 it counts as 0, and around its root the slope's error is absolute.
TEST_P(ActivationTest, GeluKeepsItsDigitsAtEveryHalf) {
  for (const int32_t dtype : {NAMP_BFLOAT16, NAMP_FLOAT16}) {
    std::vector<double> points;
    Buffer halves(device_, dtype, 1);
    for (uint32_t code = 0; code < 0x10000; ++code) {
      halves.set_bits(0, code);
      const double x = halves[0];
      if (std::isfinite(x) && (std::abs(x) < 20 || code % 64 == 0)) points.push_back(x);
    }
    Buffer input(device_, NAMP_FLOAT32, points);
    Buffer gradient(device_, NAMP_FLOAT32, std::vector<double>(points.size(), 1.0));
    Buffer output(device_, NAMP_FLOAT32, input.size());
    Buffer slope(device_, NAMP_FLOAT32, input.size());
    auto args = make_args<namp_activation_args>();
    args.activation = NAMP_ACTIVATION_GELU;
    args.dtype = NAMP_FLOAT32;
    args.count = input.size();
    args.input = input.data();
    args.output = output.data();
    args.output_gradient = gradient.data();
    args.input_gradient = slope.data();
    run_everywhere([&] { return namp_activation_forward(device_, &args, nullptr); }, {&output});
    run_everywhere([&] { return namp_activation_backward(device_, &args, nullptr); }, {&slope});
    for (int64_t i = 0; i < input.size(); ++i) {
      const double x = input[i];
      const double unit = 0x1p-24 * (x < 0 ? 1 + std::min(x * x, 400.0) / 2 : 1);
      const double y = forward(NAMP_ACTIVATION_GELU, x);
      ASSERT_NEAR(output[i], y, 4 * unit * std::abs(y) + 4e-36) << x;
      const double s = std::abs(x) > 30 ? (x > 0 ? 1 : 0) : derivative(NAMP_ACTIVATION_GELU, x, 0);
      ASSERT_NEAR(slope[i], s,
                  5 * unit * std::max(std::abs(s), std::abs(x) < 2 ? 0.125 : 0.0) + 4e-36)
          << x;
    }
  }
}

TEST_P(ActivationTest, WorksInPlace) {
  Buffer values(device_, NAMP_BFLOAT16, random_values(1003, 4, 2.0), 1);
  const std::vector<double> before = values.values();
  auto args = make_args<namp_activation_args>();
  args.activation = NAMP_ACTIVATION_GELU;
  args.dtype = NAMP_BFLOAT16;
  args.count = values.size();
  args.input = values.data();
  args.output = values.data();
  run_everywhere([&] { return namp_activation_forward(device_, &args, nullptr); }, {&values});
  std::vector<double> expected;
  for (double x : before)
    expected.push_back(forward(NAMP_ACTIVATION_GELU, x));
  expect_close(values, expected, 1e-6, "in place");
}

TEST_P(ActivationTest, RefusesBadArguments) {
  Buffer input(device_, NAMP_FLOAT32, 8);
  Buffer output(device_, NAMP_FLOAT32, 8);
  auto good = make_args<namp_activation_args>();
  good.activation = NAMP_ACTIVATION_RELU;
  good.dtype = NAMP_FLOAT32;
  good.count = 8;
  good.input = input.data();
  good.output = output.data();
  const auto refused = [&](int32_t status, auto change) {
    namp_activation_args args = good;
    change(args);
    expect_refused(status, namp_activation_forward(device_, &args, nullptr), {&output});
  };
  using Args = namp_activation_args;
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.struct_size = 4; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.activation = NAMP_ACTIVATION_TANH + 1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.activation = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.dtype = NAMP_INT32; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.dtype = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.count = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.count = INT64_MAX; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.input = nullptr; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.output = nullptr; });
  refused(NAMP_ERROR_MISALIGNED, [](Args& a) { a.input = static_cast<const char*>(a.input) + 2; });
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_activation_forward(device_, nullptr, nullptr));
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_activation_forward(nullptr, &good, nullptr));
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_activation_backward(device_, &good, nullptr));
}

NAMP_ON_EVERY_DEVICE(ActivationTest);

}  // namespace
}  // namespace namp_test
