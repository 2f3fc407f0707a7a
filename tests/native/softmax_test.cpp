// Softmax and argmax against their definitions in double.
#include "backend_test.h"

namespace namp_test {
namespace {

class SoftmaxTest : public BackendTest {
 protected:
  void check(int64_t rows, int64_t width, int32_t input_dtype, int32_t output_dtype, double scale) {
    SCOPED_TRACE("rows " + std::to_string(rows) + ", width " + std::to_string(width) + ", dtypes " +
                 std::to_string(input_dtype) + std::to_string(output_dtype));
    const int64_t count = rows * width;
    Buffer input(device_, input_dtype, random_values(count, 1, scale), 1);
    Buffer gradient(device_, output_dtype, random_values(count, 2), 2);
    Buffer output(device_, output_dtype, count, 3);
    Buffer input_gradient(device_, input_dtype, count, 1);
    auto args = make_args<namp_softmax_args>();
    args.input_dtype = input_dtype;
    args.output_dtype = output_dtype;
    args.rows = rows;
    args.width = width;
    args.input = input.data();
    args.output = output.data();
    args.output_gradient = gradient.data();
    args.input_gradient = input_gradient.data();
    run_everywhere([&] { return namp_softmax_forward(device_, &args, nullptr); }, {&output});
    run_everywhere([&] { return namp_softmax_backward(device_, &args, nullptr); },
                   {&input_gradient});
    std::vector<double> expected;
    std::vector<double> expected_gradient;
    for (int64_t r = 0; r < rows; ++r) {
      double largest = -kInfinity;
      double sum = 0;
      double dot = 0;
      for (int64_t i = 0; i < width; ++i)
        largest = std::max(largest, input[r * width + i]);
      for (int64_t i = 0; i < width; ++i)
        sum += std::exp(input[r * width + i] - largest);
      for (int64_t i = 0; i < width; ++i) {
        expected.push_back(std::exp(input[r * width + i] - largest) / sum);
        dot += output[r * width + i] * gradient[r * width + i];
      }
      for (int64_t i = 0; i < width; ++i) {
        expected_gradient.push_back(output[r * width + i] * (gradient[r * width + i] - dot));
      }
    }
    // Half of the smallest float16: probabilities below it are 0.
    expect_close(output, expected, 1e-7, "output");
    expect_close(input_gradient, expected_gradient, 1e-6, "gradient");
  }
};

TEST_P(SoftmaxTest, EveryWidthAndDtypePair) {
  for (int32_t input : kFloats) {
    for (int32_t output : kFloats) {
      for (int64_t width : every(1, 67)) {
        check(1 + width % 3, width, input, output, 2.0);
      }
      check(33, 1000, input, output, 3.0);
      check(0, 5, input, output, 1.0);
    }
  }
}

TEST_P(SoftmaxTest, LargeLogitsDoNotOverflow) {
  check(5, 129, NAMP_FLOAT32, NAMP_FLOAT32, 1000.0);
  check(5, 129, NAMP_FLOAT16, NAMP_FLOAT16, 10000.0);
}

TEST_P(SoftmaxTest, InfinitiesAndNaN) {
  Buffer input(device_, NAMP_FLOAT32,
               {-kInfinity, 1, 1, -kInfinity, -kInfinity, -kInfinity, 0, kNaN, 1, 0, kInfinity, 1});
  Buffer output(device_, NAMP_FLOAT32, 12);
  auto args = make_args<namp_softmax_args>();
  args.input_dtype = args.output_dtype = NAMP_FLOAT32;
  args.rows = 4;
  args.width = 3;
  args.input = input.data();
  args.output = output.data();
  run_everywhere([&] { return namp_softmax_forward(device_, &args, nullptr); }, {&output});
  EXPECT_EQ(output[0], 0.0);
  EXPECT_EQ(output[1], 0.5);
  for (int64_t i = 3; i < 9; ++i)
    EXPECT_TRUE(std::isnan(output[i])) << i;
  EXPECT_TRUE(std::isnan(output[10]));
}

TEST_P(SoftmaxTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  auto good = make_args<namp_softmax_args>();
  good.input_dtype = good.output_dtype = NAMP_FLOAT32;
  good.rows = 2;
  good.width = 4;
  good.input = data.floats();
  good.output = data.floats() + 8;
  const auto refused = [&](int32_t status, auto change) {
    namp_softmax_args args = good;
    change(args);
    expect_refused(status, namp_softmax_forward(device_, &args, nullptr), {&data});
  };
  using Args = namp_softmax_args;
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.struct_size = 3; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.input_dtype = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.output_dtype = NAMP_INT32; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.rows = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.width = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.width = INT64_MAX / 2; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.input = nullptr; });
  refused(NAMP_ERROR_MISALIGNED, [](Args& a) { a.output = static_cast<char*>(a.output) + 1; });
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_softmax_forward(device_, nullptr, nullptr));
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_softmax_backward(device_, &good, nullptr));
}

class ArgmaxTest : public BackendTest {};

TEST_P(ArgmaxTest, EveryWidthAndDtype) {
  for (int32_t dtype : kFloats) {
    for (int64_t width : {1, 2, 3, 7, 10, 15, 16, 17, 31, 32, 33, 63, 64, 65, 67, 1000}) {
      const int64_t rows = 40;
      std::vector<double> values = random_values(rows * width, static_cast<uint32_t>(width));
      // Few distinct values: many ties, and the first must win.
      if (width % 2 == 1) {
        for (double& value : values)
          value = std::round(value);
      }
      values[static_cast<size_t>(width + width / 2)] = kNaN;
      for (int64_t i = 0; i < width; ++i)
        values[static_cast<size_t>(2 * width + i)] = -kInfinity;
      values[static_cast<size_t>(4 * width - 1)] = kInfinity;
      Buffer input(device_, dtype, values, 1);
      Buffer output(device_, NAMP_INT32, rows, 1);
      run_everywhere(
          [&] {
            return namp_argmax(device_, output.ints(), input.data(), dtype, rows, width, nullptr);
          },
          {&output});
      for (int64_t r = 0; r < rows; ++r) {
        int64_t best = 0;
        for (int64_t i = 0; i < width; ++i) {
          const double value = input[r * width + i];
          const double champion = input[r * width + best];
          if (std::isnan(champion)) break;
          if (std::isnan(value) || value > champion) best = i;
        }
        ASSERT_EQ(output[r], static_cast<double>(best)) << "row " << r << ", width " << width;
      }
    }
  }
}

TEST_P(ArgmaxTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  const auto call = [&](void* out, const void* in, int32_t dtype, int64_t rows, int64_t width) {
    return namp_argmax(device_, static_cast<int32_t*>(out), in, dtype, rows, width, nullptr);
  };
  float* p = data.floats();
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, call(nullptr, p, NAMP_FLOAT32, 2, 4), {&data});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, call(p, nullptr, NAMP_FLOAT32, 2, 4), {&data});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, call(p, p + 8, NAMP_INT32, 2, 4), {&data});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, call(p, p + 8, NAMP_FLOAT32, -1, 4), {&data});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, call(p, p + 8, NAMP_FLOAT32, 2, 0), {&data});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, call(p, p + 8, NAMP_FLOAT32, 1, int64_t{1} << 31),
                 {&data});
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, call(p, p + 8, NAMP_FLOAT32, INT64_MAX / 2, 4),
                 {&data});
}

NAMP_ON_EVERY_DEVICE(SoftmaxTest);
NAMP_ON_EVERY_DEVICE(ArgmaxTest);

}  // namespace
}  // namespace namp_test
