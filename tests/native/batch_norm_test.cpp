// Batch norm against its definition in double.
#include "backend_test.h"

namespace namp_test {
namespace {

class BatchNormTest : public BackendTest {
 protected:
  struct Case {
    int64_t batch, channels, inner;
    int32_t dtype = NAMP_FLOAT32;
    bool training = true;
    double shift = 0.3;
    double relative = 0;
    double absolute = 3e-6;
  };

  void check(const Case& c) {
    SCOPED_TRACE(std::to_string(c.batch) + " x " + std::to_string(c.channels) + " x " +
                 std::to_string(c.inner) + ", dtype " + std::to_string(c.dtype));
    const int64_t count = c.batch * c.channels * c.inner;
    Buffer input(device_, c.dtype, random_values(count, 1, 1.0, c.shift), 1);
    Buffer gradient(device_, c.dtype, random_values(count, 2), 3);
    Buffer gamma(device_, NAMP_FLOAT32, random_values(c.channels, 3, 0.5, 1.0), 1);
    Buffer beta(device_, NAMP_FLOAT32, random_values(c.channels, 4), 2);
    Buffer running_mean(device_, NAMP_FLOAT32, random_values(c.channels, 5), 1);
    Buffer running_variance(device_, NAMP_FLOAT32, random_values(c.channels, 6, 0.1, 1.5), 1);
    const std::vector<double> old_mean = running_mean.values();
    const std::vector<double> old_variance = running_variance.values();
    Buffer output(device_, c.dtype, count, 1);
    Buffer mean(device_, NAMP_FLOAT32, c.channels, 1);
    Buffer inverse(device_, NAMP_FLOAT32, c.channels, 1);
    Buffer input_gradient(device_, c.dtype, count, 2);
    Buffer gamma_gradient(device_, NAMP_FLOAT32, c.channels, 1);
    Buffer beta_gradient(device_, NAMP_FLOAT32, c.channels, 1);
    auto args = make_args<namp_batch_norm_args>();
    args.dtype = c.dtype;
    args.training = c.training ? 1 : 0;
    args.epsilon = 1e-5F;
    args.momentum = 0.1F;
    args.batch = c.batch;
    args.channels = c.channels;
    args.inner = c.inner;
    args.input = input.data();
    args.gamma = gamma.floats();
    args.beta = beta.floats();
    args.running_mean = running_mean.floats();
    args.running_variance = running_variance.floats();
    args.output = output.data();
    args.mean = mean.floats();
    args.inverse_deviation = inverse.floats();
    args.output_gradient = gradient.data();
    args.input_gradient = input_gradient.data();
    args.gamma_gradient = gamma_gradient.floats();
    args.beta_gradient = beta_gradient.floats();
    std::vector<Buffer*> outputs = {&output, &running_mean, &running_variance};
    if (c.training) outputs.insert(outputs.end(), {&mean, &inverse});
    run_everywhere([&] { return namp_batch_norm_forward(device_, &args, nullptr); }, outputs);
    run_everywhere([&] { return namp_batch_norm_backward(device_, &args, nullptr); },
                   {&input_gradient, &gamma_gradient, &beta_gradient});

    const auto all = static_cast<size_t>(count);
    const auto n = static_cast<double>(c.batch * c.inner);
    std::vector<double> e_output(all), e_input_gradient(all), e_mean, e_inverse, e_running_mean,
        e_running_variance, e_gamma, e_beta;
    for (int64_t ch = 0; ch < c.channels; ++ch) {
      const auto at = static_cast<size_t>(ch);
      const auto each = [&](auto body) {
        for (int64_t b = 0; b < c.batch; ++b) {
          for (int64_t i = 0; i < c.inner; ++i)
            body((b * c.channels + ch) * c.inner + i);
        }
      };
      double m = 0;
      double v = 0;
      each([&](int64_t i) { m += input[i] / n; });
      each([&](int64_t i) { v += std::pow(input[i] - m, 2) / n; });
      if (c.training) {
        e_running_mean.push_back(0.9 * old_mean[at] + 0.1 * m);
        e_running_variance.push_back(0.9 * old_variance[at] + 0.1 * v * n / (n - 1));
      } else {
        m = old_mean[at];
        v = old_variance[at];
        e_running_mean.push_back(m);
        e_running_variance.push_back(v);
      }
      const double inverse_deviation = 1 / std::sqrt(v + double{args.epsilon});
      e_mean.push_back(m);
      e_inverse.push_back(inverse_deviation);
      double sum_g = 0;
      double sum_gx = 0;
      each([&](int64_t i) {
        e_output[static_cast<size_t>(i)] =
            (input[i] - m) * inverse_deviation * gamma[ch] + beta[ch];
        sum_g += gradient[i];
        sum_gx += gradient[i] * (input[i] - m) * inverse_deviation;
      });
      e_gamma.push_back(sum_gx);
      e_beta.push_back(sum_g);
      each([&](int64_t i) {
        const double normal = (input[i] - m) * inverse_deviation;
        const double inside =
            c.training ? gradient[i] - sum_g / n - normal * sum_gx / n : gradient[i];
        e_input_gradient[static_cast<size_t>(i)] = gamma[ch] * inverse_deviation * inside;
      });
    }
    expect_close(output, e_output, c.absolute, "output", c.relative);
    expect_close(running_mean, e_running_mean, 1e-6, "running mean", c.relative);
    expect_close(running_variance, e_running_variance, 1e-6, "running variance", c.relative);
    if (c.training) {
      expect_close(mean, e_mean, 1e-6, "mean", c.relative);
      expect_close(inverse, e_inverse, 1e-6, "inverse deviation", c.relative);
    }
    const double terms = std::sqrt(n);
    expect_close(gamma_gradient, e_gamma, c.absolute * terms, "gamma", c.relative);
    expect_close(beta_gradient, e_beta, c.absolute * terms, "beta", c.relative);
    expect_close(input_gradient, e_input_gradient, c.absolute, "input gradient", c.relative);
  }
};

TEST_P(BatchNormTest, EveryInnerLength) {
  for (int32_t dtype : kFloats) {
    for (int64_t inner : every(1, 67))
      check({4 + inner % 3, 3, inner, dtype});
  }
}

TEST_P(BatchNormTest, LargeShapes) {
  for (int32_t dtype : kFloats) {
    if (is_slow() && dtype != NAMP_FLOAT16) continue;
    check({33, 5, 196, dtype});
    check({2, 3, 17000, dtype});
    check({5000, 2, 1, dtype});
    check({64, 131, 9, dtype});
  }
}

TEST_P(BatchNormTest, InferenceUsesTheRunningStatistics) {
  for (int32_t dtype : kFloats) {
    Case c{6, 3, 35, dtype};
    c.training = false;
    check(c);
  }
}

// Except for the rounding of the mean, which is stored in float32: half of 2^-10.
TEST_P(BatchNormTest, KeepsItsDigitsWhenTheMeanIsLarge) {
  Case c{16, 2, 100};
  c.shift = 1e4;
  c.relative = 1e-4;
  c.absolute = 1e-3;
  check(c);
}

// Channel 0 has an infinity, channel 1 a NaN, channel 2 values whose variance overflows float32,
// and channel 3 only valid values.
TEST_P(BatchNormTest, AChannelThatIsNotFiniteKeepsItsRunningStatistics) {
  const double usual[] = {1, 2, 3, 4, 5, 6};
  for (int32_t dtype : {NAMP_FLOAT32, NAMP_BFLOAT16}) {
    const std::vector<double> values = {
        kInfinity, 1, 2, 0, kNaN, 1, 1e30, -1e30, 2e30, usual[0], usual[1], usual[2],
        1,         1, 1, 0, 1,    2, 1e30, 3e30,  1e30, usual[3], usual[4], usual[5]};
    Buffer input(device_, dtype, values);
    Buffer running_mean(device_, NAMP_FLOAT32, {0.5, 0.25, -1, 2});
    Buffer running_variance(device_, NAMP_FLOAT32, {1, 2, 3, 4});
    Buffer output(device_, dtype, 24);
    Buffer mean(device_, NAMP_FLOAT32, 4), inverse(device_, NAMP_FLOAT32, 4);
    auto args = make_args<namp_batch_norm_args>();
    args.dtype = dtype;
    args.training = 1;
    args.epsilon = 1e-5F;
    args.momentum = 0.5F;
    args.batch = 2;
    args.channels = 4;
    args.inner = 3;
    args.input = input.data();
    args.running_mean = running_mean.floats();
    args.running_variance = running_variance.floats();
    args.output = output.data();
    args.mean = mean.floats();
    args.inverse_deviation = inverse.floats();
    run_everywhere([&] { return namp_batch_norm_forward(device_, &args, nullptr); },
                   {&output, &running_mean, &running_variance, &mean, &inverse});
    // The mean of 1 to 6 is 3.5 and their unbiased variance 3.5.
    EXPECT_EQ(running_mean.values(), (std::vector<double>{0.5, 0.25, -1, 2.75}));
    EXPECT_EQ(running_variance.values(), (std::vector<double>{1, 2, 3, 3.75}));
    EXPECT_TRUE(std::isnan(output[0])) << "what is wrong still shows in the output";
  }
}

TEST_P(BatchNormTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, random_values(64, 1));
  auto good = make_args<namp_batch_norm_args>();
  good.dtype = NAMP_FLOAT32;
  good.training = 1;
  good.epsilon = 1e-5F;
  good.momentum = 0.1F;
  good.batch = 2;
  good.channels = 2;
  good.inner = 4;
  good.input = data.floats();
  good.output = data.floats() + 16;
  good.mean = data.floats() + 32;
  good.inverse_deviation = data.floats() + 34;
  good.running_mean = data.floats() + 36;
  good.running_variance = data.floats() + 38;
  ASSERT_EQ(namp_batch_norm_forward(device_, &good, nullptr), NAMP_OK) << namp_last_error_message();
  data.restore();
  const auto refused = [&](int32_t status, auto change) {
    namp_batch_norm_args args = good;
    change(args);
    expect_refused(status, namp_batch_norm_forward(device_, &args, nullptr), {&data});
  };
  using Args = namp_batch_norm_args;
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.struct_size = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.dtype = NAMP_INT32; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.batch = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.channels = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.inner = INT64_MAX / 2; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.training = 2; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.epsilon = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.momentum = 1.5F; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.mean = nullptr; });
  // PyTorch too refuses to take a variance from one value.
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.batch = a.inner = 1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) {
    a.training = 0;
    a.running_mean = nullptr;
  });
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_batch_norm_forward(device_, nullptr, nullptr));
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_batch_norm_backward(device_, &good, nullptr));
}

NAMP_ON_EVERY_DEVICE(BatchNormTest);

}  // namespace
}  // namespace namp_test
