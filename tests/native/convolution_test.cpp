// Convolutions and their gradients against their definition in double.
#include "convolution_test.h"

namespace namp_test {
namespace {

TEST_P(ConvolutionTest, EveryShapeAndDtype) {
  bool bias = false;
  for (const Shape& shape : kShapes) {
    if (device_.is_gpu() && &shape >= std::end(kShapes) - kShapesOfBlocks) continue;
    if (is_slow() && &shape - kShapes > 2) break;
    for (int32_t dtype : kFloats) {
      bias = !bias;
      if (!is_sanitized() || dtype != NAMP_BFLOAT16) check(shape, dtype, dtype, bias, bias);
      if ((device_.is_gpu() || is_sanitized()) && bias) continue;  // it takes long there
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
      for_products(s, [&](int64_t o, int64_t i, int64_t w) {
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
