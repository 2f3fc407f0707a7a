// Convolutions and their gradients against their definition in double.
#include "matrix_test.h"

namespace namp_test {
namespace {

struct Shape {
  int64_t batch, in_channels, in_h, in_w, out_channels, kernel_h, kernel_w;
  int64_t stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0, dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
};

const Shape kShapes[] = {
    {2, 3, 9, 8, 4, 3, 3},
    {2, 3, 9, 8, 4, 3, 3, 1, 1, 1, 1},
    {2, 3, 9, 8, 4, 3, 3, 2, 2, 1, 1},
    {2, 3, 9, 8, 4, 5, 5, 2, 2, 2, 2},
    {2, 3, 9, 8, 4, 3, 3, 1, 1, 2, 2, 2, 2},
    {2, 3, 9, 8, 4, 1, 1},
    {3, 1, 14, 14, 32, 3, 3, 1, 1, 1, 1},
    {2, 32, 7, 7, 16, 3, 3, 1, 1, 1, 1},
    {1, 1, 1, 1, 1, 1, 1},
    {1, 2, 1, 13, 3, 1, 4, 1, 3, 0, 2},
    {2, 5, 7, 3, 7, 4, 2, 3, 1, 2, 1, 1, 2},
    {2, 6, 5, 6, 4, 3, 3, 1, 2, 1, 0, 1, 1, 2},
    {2, 8, 6, 5, 8, 3, 3, 1, 1, 1, 1, 1, 1, 8},
    {1, 2, 3, 3, 2, 3, 3, 1, 1, 5, 5},  // windows with only padding
    // Strides: more than one, not the same both ways, beyond the kernel, with dilations that skip
    // phases and with those that do not, beyond the image, with groups, and with inputs that no
    // output reads.
    {2, 3, 11, 9, 4, 1, 1, 2, 2},
    {2, 3, 11, 9, 4, 3, 3, 3, 3, 1, 1},
    {2, 4, 12, 9, 6, 2, 2, 3, 4, 0, 1, 1, 1, 2},
    {2, 3, 13, 15, 4, 3, 3, 2, 2, 2, 2, 2, 2},
    {2, 3, 13, 15, 4, 3, 2, 2, 4, 3, 1, 3, 2},
    {1, 2, 7, 6, 3, 3, 3, 5, 9, 1, 1},
    {2, 20, 9, 10, 18, 3, 3, 1, 2, 1, 1},
    {2, 20, 9, 10, 18, 3, 3, 2, 1, 1, 1},
    {1, 3, 17, 19, 5, 7, 7, 2, 2, 3, 3},
    // Depthwise: more taps than are summed at once, strides, dilations that skip phases, phases that no
    // tap writes, more rows than are summed at once.
    {3, 5, 15, 8, 5, 3, 3, 2, 2, 1, 1, 1, 1, 5},
    {2, 3, 9, 17, 3, 5, 4, 1, 2, 2, 1, 1, 1, 3},
    {1, 2, 13, 15, 2, 2, 3, 2, 2, 2, 3, 2, 3, 2},
    {2, 3, 10, 7, 3, 2, 2, 3, 5, 1, 1, 1, 1, 3},
    // Only the CPU has blocks, and these more than one of them: of columns, of planes (and a short
    // last one), within a row of the output, of channels.
    {1, 70, 41, 41, 3, 3, 3, 2, 2, 1, 1},
    {1, 118, 10, 6, 1, 2, 1, 1, 1, 60, 30},
    {1, 18, 3, 300, 2, 3, 3, 1, 1, 1, 1},
    {1, 3, 5, 4, 250, 3, 3, 1, 1, 1, 1},
    // With a stride, of planes and of channels (both ways); panels that are copied together, of
    // several images, of which the last ones are fewer, and of part of a sum; planes that do not fit.
    {1, 118, 10, 6, 1, 3, 1, 2, 2, 61, 30},
    {1, 250, 5, 4, 18, 3, 3, 2, 2, 1, 1},
    {5, 30, 2, 63, 48, 3, 3, 2, 2, 1, 1},
    {1, 48, 2, 64, 3, 3, 3, 2, 2, 1, 1},
    {1, 2, 1, 66, 64, 1, 3, 1, 1, 0, 1},
    {1, 4, 12, 9, 3, 1, 2, 2, 2, 0, 0, 1, 7},
    // Depthwise: of columns, of phases, of rows of planes, of images.
    {1, 2, 3, 300, 2, 3, 3, 1, 1, 1, 1, 1, 1, 2},
    {1, 2, 3, 700, 2, 3, 3, 2, 2, 1, 1, 1, 1, 2},
    {1, 1, 2, 88000, 1, 3, 1, 1, 1, 1},
    {67, 2, 3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 2},
    // Depthwise with a channel in each lane: two blocks, the second with fewer channels; strides,
    // dilations, and windows with only padding.
    {2, 19, 5, 6, 19, 3, 3, 1, 1, 1, 1, 1, 1, 19},
    {2, 16, 9, 7, 16, 2, 3, 2, 3, 3, 1, 1, 2, 16},
    {1, 33, 3, 4, 33, 3, 3, 1, 1, 3, 3, 1, 1, 33},
    {66, 16, 2, 3, 16, 2, 2, 1, 1, 1, 1, 1, 1, 16},
    // The weights' gradients: from images in place, from copies of a few, and in one product of the
    // batch, of columns in place, copied and gathered, which threads share.
    {2, 18, 14, 13, 5, 1, 1},
    {9, 18, 7, 9, 5, 1, 1},
    {1, 300, 7, 7, 20, 1, 1},
    {3, 300, 5, 7, 20, 1, 1},
    {2, 32, 7, 7, 35, 3, 3, 1, 1, 1, 1},
    {1, 5, 4, 5, 200, 1, 1},
};
constexpr ptrdiff_t kShapesOfBlocks = 24;

class ConvolutionTest : public MatrixTest {
 protected:
  // Calls body(output, input, weight) for every product that makes up the convolution.
  template <class Body>
  static void for_products(const Shape& s, int64_t out_h, int64_t out_w, Body&& body) {
    const int64_t group_in = s.in_channels / s.groups;
    const int64_t group_out = s.out_channels / s.groups;
    for (int64_t n = 0; n < s.batch; ++n)
      for (int64_t o = 0; o < s.out_channels; ++o)
        for (int64_t y = 0; y < out_h; ++y)
          for (int64_t x = 0; x < out_w; ++x)
            for (int64_t c = 0; c < group_in; ++c)
              for (int64_t kh = 0; kh < s.kernel_h; ++kh)
                for (int64_t kw = 0; kw < s.kernel_w; ++kw) {
                  const int64_t in_y = y * s.stride_h - s.pad_h + kh * s.dilation_h;
                  const int64_t in_x = x * s.stride_w - s.pad_w + kw * s.dilation_w;
                  if (in_y < 0 || in_y >= s.in_h || in_x < 0 || in_x >= s.in_w) continue;
                  const int64_t channel = o / group_out * group_in + c;
                  body(((n * s.out_channels + o) * out_h + y) * out_w + x,
                       ((n * s.in_channels + channel) * s.in_h + in_y) * s.in_w + in_x,
                       ((o * group_in + c) * s.kernel_h + kh) * s.kernel_w + kw);
                }
  }

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
    SCOPED_TRACE("shape " + std::to_string(&s - kShapes) + ", dtypes " + std::to_string(dtype) +
                 std::to_string(gradient_dtype));
    const int64_t out_h =
        (s.in_h + 2 * s.pad_h - s.dilation_h * (s.kernel_h - 1) - 1) / s.stride_h + 1;
    const int64_t out_w =
        (s.in_w + 2 * s.pad_w - s.dilation_w * (s.kernel_w - 1) - 1) / s.stride_w + 1;
    const int64_t inputs = s.batch * s.in_channels * s.in_h * s.in_w;
    const int64_t weights = s.out_channels * s.in_channels / s.groups * s.kernel_h * s.kernel_w;
    const int64_t outputs = s.batch * s.out_channels * out_h * out_w;
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
    args.batch = s.batch;
    args.in_channels = s.in_channels;
    args.in_h = s.in_h;
    args.in_w = s.in_w;
    args.out_channels = s.out_channels;
    args.kernel_h = s.kernel_h;
    args.kernel_w = s.kernel_w;
    args.stride_h = s.stride_h;
    args.stride_w = s.stride_w;
    args.pad_h = s.pad_h;
    args.pad_w = s.pad_w;
    args.dilation_h = s.dilation_h;
    args.dilation_w = s.dilation_w;
    args.groups = s.groups;
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
    for_products(s, out_h, out_w, [&](int64_t o, int64_t i, int64_t w) {
      forward.add(o, input[i] * weight[w]);
      backward_data.add(i, output_gradient[o] * weight[w]);
      backward_weights.add(w, output_gradient[o] * input[i]);
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

TEST_P(ConvolutionTest, EveryShapeAndDtype) {
  bool bias = false;
  for (const Shape& shape : kShapes) {
    if (device_.is_gpu() && &shape >= std::end(kShapes) - kShapesOfBlocks) continue;
    if (is_slow() && &shape - kShapes > 2) break;
    for (int32_t dtype : kFloats) {
      bias = !bias;
      check(shape, dtype, dtype, bias, bias);
      if ((device_.is_gpu() || kSanitized) && bias) continue;  // it takes long there
      check(shape, dtype, NAMP_FLOAT32, !bias, bias);
      if (HasFailure()) return;
    }
  }
}

// A value that is no number is in the sums that read it, and in no other: of an image, at the end
// of a row, and of an output's gradient. So our own loops do it; oneDNN multiplies some by zeros.
TEST_P(ConvolutionTest, NanIsOnlyWhereItIsRead) {
  if (device_.is_gpu()) return;
  const Shape shapes[] = {{2, 20, 6, 5, 18, 3, 3, 1, 1, 1, 1},
                          {1, 3, 6, 5, 4, 2, 2},
                          {2, 20, 7, 6, 18, 3, 3, 2, 2, 1, 1},
                          {2, 20, 6, 34, 64, 3, 2, 1, 3, 1, 0}};
  for (const Shape& s : shapes) {
    const int64_t out_h = (s.in_h + 2 * s.pad_h - s.kernel_h) / s.stride_h + 1;
    const int64_t out_w = (s.in_w + 2 * s.pad_w - s.kernel_w) / s.stride_w + 1;
    const auto with_nan = [](int64_t count, int64_t at) {
      std::vector<double> values(static_cast<size_t>(count), 1.0);
      values[static_cast<size_t>(at)] = kNaN;
      return values;
    };
    const int64_t inputs = s.batch * s.in_channels * s.in_h * s.in_w;
    const int64_t outputs = s.batch * s.out_channels * out_h * out_w;
    const int64_t weights = s.out_channels * s.in_channels * s.kernel_h * s.kernel_w;
    for (int32_t dtype : kFloats) {
      Buffer input(device_, dtype, with_nan(inputs, s.in_w * s.in_h + 2 * s.in_w - 1));
      Buffer ones(device_, dtype, std::vector<double>(static_cast<size_t>(weights), 1.0));
      Buffer gradient(device_, dtype, with_nan(outputs, 3 * out_w - 1));
      Buffer all(device_, dtype, std::vector<double>(static_cast<size_t>(outputs), 1.0));
      Buffer output(device_, dtype, outputs);
      Buffer input_gradient(device_, dtype, inputs);
      Buffer weight_gradient(device_, dtype, weights);
      auto args = make_args<namp_conv2d_args>();
      args.dtype = args.weight_gradient_dtype = args.bias_gradient_dtype = dtype;
      args.batch = s.batch;
      args.in_channels = s.in_channels;
      args.in_h = s.in_h;
      args.in_w = s.in_w;
      args.out_channels = s.out_channels;
      args.kernel_h = s.kernel_h;
      args.kernel_w = s.kernel_w;
      args.dilation_h = args.dilation_w = args.groups = 1;
      args.stride_h = s.stride_h;
      args.stride_w = s.stride_w;
      args.pad_h = s.pad_h;
      args.pad_w = s.pad_w;
      args.input = input.data();
      args.weight = ones.data();
      args.output = output.data();
      args.input_gradient = input_gradient.data();
      args.weight_gradient = weight_gradient.data();
      Sums forward(outputs), backward_data(inputs), backward_weights(weights);
      for_products(s, out_h, out_w, [&](int64_t o, int64_t i, int64_t w) {
        forward.add(o, input[i]);
        backward_data.add(i, gradient[o]);
        backward_weights.add(w, input[i]);
      });
      const auto same = [](const Buffer& actual, const Sums& sums, const std::string& what) {
        for (int64_t i = 0; i < actual.size(); ++i) {
          const double expected = sums.value[static_cast<size_t>(i)];
          ASSERT_EQ(std::isnan(actual[i]), std::isnan(expected)) << what << " " << i;
        }
      };
      run_each_loop(
          [&](namp_device* device) { return namp_conv2d_forward(device, &args, nullptr); },
          {&output}, [&](int32_t) { same(output, forward, "output"); });
      args.output_gradient = gradient.data();
      run_each_loop(
          [&](namp_device* device) { return namp_conv2d_backward_data(device, &args, nullptr); },
          {&input_gradient}, [&](int32_t) { same(input_gradient, backward_data, "input"); });
      args.output_gradient = all.data();
      run_each_loop(
          [&](namp_device* device) { return namp_conv2d_backward_weights(device, &args, nullptr); },
          {&weight_gradient}, [&](int32_t) { same(weight_gradient, backward_weights, "weight"); });
      if (HasFailure()) return;
    }
  }
}

// More images than one slice of the CPU, and a smaller last slice. A 1x1 kernel doubles them, which
// is exact.
TEST_P(ConvolutionTest, LargeBatchesAreSliced) {
  if (device_.is_gpu()) return;
  constexpr int64_t kImages = 7;
  constexpr int64_t kSide = 600;
  const std::vector<double> values = random_values(kImages * kSide * kSide, 1);
  for (int32_t dtype : kFloats) {
    Buffer given(device_, dtype, values);
    Buffer two(device_, dtype, std::vector<double>{2});
    Buffer result(device_, dtype, given.size());
    auto args = make_args<namp_conv2d_args>();
    args.dtype = args.weight_gradient_dtype = args.bias_gradient_dtype = dtype;
    args.batch = kImages;
    args.in_h = args.in_w = kSide;
    args.in_channels = args.out_channels = args.groups = 1;
    args.kernel_h = args.kernel_w = args.stride_h = args.stride_w = 1;
    args.dilation_h = args.dilation_w = 1;
    args.input = args.output_gradient = given.data();
    args.weight = two.data();
    args.output = args.input_gradient = result.data();
    for (const auto call : {namp_conv2d_forward, namp_conv2d_backward_data}) {
      result.restore();
      ASSERT_EQ(call(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
      EXPECT_TRUE(result.intact());
      const std::vector<double>& doubled = result.values();
      int64_t wrong = 0;
      for (size_t i = 0; i < doubled.size(); ++i)
        wrong += doubled[i] != 2 * given.values()[i] ? 1 : 0;
      EXPECT_EQ(wrong, 0) << "dtype " << dtype;
    }
  }
}

TEST_P(ConvolutionTest, NoImagesMakeZeroGradients) {
  Buffer weight_gradient(device_, NAMP_FLOAT32, random_values(18, 1));
  Buffer bias_gradient(device_, NAMP_FLOAT32, random_values(2, 1));
  auto args = make_args<namp_conv2d_args>();
  args.dtype = args.weight_gradient_dtype = args.bias_gradient_dtype = NAMP_FLOAT32;
  args.in_channels = 1;
  args.out_channels = 2;
  args.in_h = args.in_w = 5;
  args.kernel_h = args.kernel_w = 3;
  args.stride_h = args.stride_w = args.dilation_h = args.dilation_w = args.groups = 1;
  args.weight_gradient = weight_gradient.data();
  args.bias_gradient = bias_gradient.data();
  run_each(
      [&](namp_device* device) { return namp_conv2d_backward_weights(device, &args, nullptr); },
      {&weight_gradient, &bias_gradient},
      [&] {
        for (int64_t i = 0; i < 18; ++i)
          ASSERT_EQ(weight_gradient[i], 0.0);
        for (int64_t i = 0; i < 2; ++i)
          ASSERT_EQ(bias_gradient[i], 0.0);
      });
}

TEST_P(ConvolutionTest, RefusesWhatDoesNotFit) {
  Buffer input(device_, NAMP_FLOAT32, random_values(50, 1));
  Buffer out(device_, NAMP_FLOAT32, random_values(50, 2));
  auto good = make_args<namp_conv2d_args>();
  good.dtype = good.weight_gradient_dtype = good.bias_gradient_dtype = NAMP_FLOAT32;
  good.batch = good.in_channels = good.out_channels = 1;
  good.in_h = good.in_w = 5;
  good.kernel_h = good.kernel_w = 3;
  good.stride_h = good.stride_w = good.dilation_h = good.dilation_w = good.groups = 1;
  good.input = good.weight = good.output_gradient = input.data();
  good.output = good.input_gradient = good.weight_gradient = out.data();
  const auto refuse = [&](const std::function<void(namp_conv2d_args&)>& spoil,
                          int32_t status = NAMP_ERROR_INVALID_ARGUMENT) {
    namp_conv2d_args args = good;
    spoil(args);
    expect_refused(status, namp_conv2d_forward(device_, &args, nullptr), {&out});
    expect_refused(status, namp_conv2d_backward_data(device_, &args, nullptr), {&out});
    expect_refused(status, namp_conv2d_backward_weights(device_, &args, nullptr), {&out});
  };
  refuse([](auto& args) { args.struct_size = 0; });
  refuse([](auto& args) { args.dtype = NAMP_INT32; });
  refuse([](auto& args) { args.batch = -1; });
  refuse([](auto& args) { args.in_channels = 0; });
  refuse([](auto& args) { args.groups = 0; });
  refuse([](auto& args) { args.groups = 2; });
  refuse([](auto& args) { args.kernel_h = 6; });
  refuse([](auto& args) { args.kernel_w = 0; });
  refuse([](auto& args) { args.dilation_w = 3; });
  refuse([](auto& args) { args.stride_h = 0; });
  refuse([](auto& args) { args.pad_h = -1; });
  refuse([](auto& args) { args.pad_w = INT64_MAX; });
  refuse([](auto& args) { args.in_h = args.in_w = INT64_C(1) << 30; });
  refuse([](auto& args) { args.batch = INT64_C(1) << 57; });
  refuse([](auto& args) { args.activation = NAMP_ACTIVATION_GELU; });
  refuse([](auto& args) {
    args.input = args.weight = args.output_gradient = nullptr;
    args.output = args.input_gradient = args.weight_gradient = nullptr;
  });
  namp_conv2d_args args = good;
  args.weight_gradient_dtype = NAMP_FLOAT16;
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_conv2d_backward_weights(device_, &args, nullptr),
                 {&out});
}

NAMP_ON_EVERY_DEVICE(ConvolutionTest);

}  // namespace
}  // namespace namp_test
