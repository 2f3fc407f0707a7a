// Convolutions and their gradients against their definition in double.
#pragma once

#include "convolution_shapes.h"
#include "matrix_test.h"

namespace namp_test {

class ConvolutionTest : public MatrixTest {
 protected:
  struct Sums {
    explicit Sums(int64_t count) : value(static_cast<size_t>(count)), magnitude(value) {}
    void add(int64_t at, double x) {
      value[static_cast<size_t>(at)] += x;
      magnitude[static_cast<size_t>(at)] += std::abs(x);
    }
    std::vector<double> value;
    std::vector<double> magnitude;
  };

  void compare(const Buffer& actual, const Sums& sums, bool relu, const std::string& what) {
    for (int64_t i = 0; i < actual.size(); ++i) {
      const auto at = static_cast<size_t>(i);
      const double expected = relu ? std::max(0.0, sums.value[at]) : sums.value[at];
      expect_sum(actual[i], expected, sums.magnitude[at], actual.dtype(),
                 [&] { return what + " " + std::to_string(i); });
      if (HasFatalFailure()) return;
    }
  }

  void check(const Shape& s, int32_t dtype, int32_t gradient_dtype, bool bias, bool relu) {
    SCOPED_TRACE(s.text() + ", dtypes " + std::to_string(dtype) + std::to_string(gradient_dtype));
    const int64_t out_h = s.out_h();
    const int64_t out_w = s.out_w();
    const int64_t inputs = s.inputs();
    const int64_t weights = s.weights();
    const int64_t outputs = s.outputs();
    Buffer input(device_, dtype, random_values(inputs, 1), 1);
    Buffer weight(device_, dtype, random_values(weights, 2), 3);
    Buffer bias_values(device_, dtype, random_values(s.out_channels, 3), 1);
    Buffer output(device_, dtype, outputs, 1);
    Buffer output_gradient(device_, dtype, random_values(outputs, 4), 1);
    Buffer input_gradient(device_, dtype, inputs, 1);
    Buffer weight_gradient(device_, gradient_dtype, weights, 1);
    Buffer bias_gradient(device_, gradient_dtype, s.out_channels, 1);
    auto args = make_args<namp_conv2d_args>();
    args.dtype = dtype;
    s.set(args);
    args.input = input.data();
    args.weight = weight.data();
    args.bias = bias ? bias_values.data() : nullptr;
    args.output = output.data();
    args.output_gradient = output_gradient.data();
    args.input_gradient = input_gradient.data();
    args.weight_gradient = weight_gradient.data();
    args.bias_gradient = bias ? bias_gradient.data() : nullptr;
    args.weight_gradient_dtype = args.bias_gradient_dtype = gradient_dtype;
    args.activation = relu ? NAMP_ACTIVATION_RELU : NAMP_ACTIVATION_NONE;

    Sums forward(outputs), backward_data(inputs), backward_weights(weights),
        backward_bias(s.out_channels);
    for_products(s, [&](int64_t o, int64_t i, int64_t w) {
      const double x = input[i];
      const double factor = weight[w];
      const double upstream = output_gradient[o];
      forward.add(o, x * factor);
      backward_data.add(i, upstream * factor);
      backward_weights.add(w, upstream * x);
    });
    for (int64_t o = 0; o < outputs; ++o) {
      const int64_t channel = o / (out_h * out_w) % s.out_channels;
      if (bias) forward.add(o, bias_values[channel]);
      backward_bias.add(channel, output_gradient[o]);
    }
    run_each([&](namp_device* device) { return namp_conv2d_forward(device, &args, nullptr); },
             {&output}, [&] { compare(output, forward, relu, "output"); });
    run_each([&](namp_device* device) { return namp_conv2d_backward_data(device, &args, nullptr); },
             {&input_gradient}, [&] { compare(input_gradient, backward_data, false, "input"); });
    std::vector<Buffer*> gradients{&weight_gradient};
    if (bias) gradients.push_back(&bias_gradient);
    run_each(
        [&](namp_device* device) { return namp_conv2d_backward_weights(device, &args, nullptr); },
        gradients,
        [&] {
          compare(weight_gradient, backward_weights, false, "weight");
          if (bias) compare(bias_gradient, backward_bias, false, "bias");
        });
  }
};

}  // namespace namp_test
