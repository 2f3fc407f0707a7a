// Pools and their gradients against their definition.
#include "backend_test.h"

namespace namp_test {
namespace {

struct PoolingShape {
  int64_t planes, in_h, in_w, kernel_h, kernel_w, stride_h, stride_w, pad_h = 0, pad_w = 0;
};

class PoolingTest : public BackendTest {
 protected:
  static namp_pool2d_args args_of(const PoolingShape& s, int32_t dtype, int32_t pooling) {
    auto args = make_args<namp_pool2d_args>();
    args.dtype = dtype;
    args.pooling = pooling;
    args.planes = s.planes;
    args.in_h = s.in_h;
    args.in_w = s.in_w;
    args.kernel_h = s.kernel_h;
    args.kernel_w = s.kernel_w;
    args.stride_h = s.stride_h;
    args.stride_w = s.stride_w;
    args.pad_h = s.pad_h;
    args.pad_w = s.pad_w;
    return args;
  }

  void check(const PoolingShape& s, int32_t dtype, int32_t pooling, std::vector<double> values) {
    SCOPED_TRACE("planes " + std::to_string(s.planes) + " in " + std::to_string(s.in_h) + "x" +
                 std::to_string(s.in_w) + " kernel " + std::to_string(s.kernel_h) + "x" +
                 std::to_string(s.kernel_w) + " dtype " + std::to_string(dtype) + " pooling " +
                 std::to_string(pooling));
    const int64_t out_h = (s.in_h + 2 * s.pad_h - s.kernel_h) / s.stride_h + 1;
    const int64_t out_w = (s.in_w + 2 * s.pad_w - s.kernel_w) / s.stride_w + 1;
    const int64_t inputs = s.planes * s.in_h * s.in_w;
    const int64_t outputs = s.planes * out_h * out_w;
    Buffer input(device_, dtype, values, 1);
    Buffer output(device_, dtype, outputs, 1);
    Buffer indices(device_, NAMP_UINT8, outputs, 3);
    Buffer output_gradient(device_, dtype, random_values(outputs, 2), 1);
    Buffer input_gradient(device_, dtype, inputs, 1);
    namp_pool2d_args args = args_of(s, dtype, pooling);
    args.input = input.data();
    args.output = output.data();
    args.indices = static_cast<uint8_t*>(indices.data());
    args.output_gradient = output_gradient.data();
    args.input_gradient = input_gradient.data();

    std::vector<double> expected(static_cast<size_t>(outputs), -kInfinity);
    std::vector<int64_t> positions(static_cast<size_t>(outputs), -1);
    std::vector<double> gradient(static_cast<size_t>(inputs), 0.0);
    const double area = static_cast<double>(s.kernel_h * s.kernel_w);
    for (int64_t o = 0; o < outputs; ++o) {
      const auto at = static_cast<size_t>(o);
      int64_t chosen = -1;
      double sum = 0;
      for (int64_t k = 0; k < s.kernel_h * s.kernel_w; ++k) {
        const int64_t y = o / out_w % out_h * s.stride_h - s.pad_h + k / s.kernel_w;
        const int64_t x = o % out_w * s.stride_w - s.pad_w + k % s.kernel_w;
        if (y < 0 || y >= s.in_h || x < 0 || x >= s.in_w) continue;
        const int64_t i = (o / out_w / out_h * s.in_h + y) * s.in_w + x;
        sum += input[i];
        if (pooling == NAMP_POOL_AVERAGE)
          gradient[static_cast<size_t>(i)] += output_gradient[o] / area;
        const bool first_nan = std::isnan(input[i]) && !std::isnan(expected[at]);
        if (positions[at] < 0 || first_nan || input[i] > expected[at]) {
          expected[at] = input[i];
          positions[at] = k;
          chosen = i;
        }
      }
      if (pooling == NAMP_POOL_AVERAGE) {
        expected[at] = sum / area;
      } else {
        gradient[static_cast<size_t>(chosen)] += output_gradient[o];
      }
    }
    std::vector<Buffer*> written{&output};
    if (pooling == NAMP_POOL_MAX) written.push_back(&indices);
    run_everywhere([&] { return namp_pool2d_forward(device_, &args, nullptr); }, written);
    expect_close(output, expected, 1e-6, "output");
    for (int64_t i = 0; pooling == NAMP_POOL_MAX && i < outputs; ++i) {
      ASSERT_EQ(indices[i], static_cast<double>(positions[static_cast<size_t>(i)]))
          << "index " << i;
    }
    run_everywhere([&] { return namp_pool2d_backward(device_, &args, nullptr); },
                   {&input_gradient});
    expect_close(input_gradient, gradient, 1e-6, "gradient");
    // Without indices the values are the same.
    args.indices = nullptr;
    run_everywhere([&] { return namp_pool2d_forward(device_, &args, nullptr); }, {&output});
    expect_close(output, expected, 1e-6, "output without indices");
  }
};

TEST_P(PoolingTest, EveryShapeAndDtype) {
  std::vector<PoolingShape> shapes{{2, 6, 6, 3, 3, 1, 1},       {3, 7, 5, 3, 2, 2, 3, 1, 1},
                                   {1, 1, 1, 1, 1, 1, 1},       {2, 5, 9, 2, 2, 1, 1},
                                   {2, 5, 9, 5, 9, 1, 1},       {1, 20, 20, 16, 16, 3, 3, 8, 8},
                                   {2, 4, 4, 2, 2, 2, 2, 1, 1}, {0, 4, 4, 2, 2, 2, 2}};
  for (int64_t width : every(2, 70)) {
    shapes.push_back({1 + width % 3, 2 + width % 4, width, 2, 2, 2, 2});
  }
  for (const PoolingShape& shape : shapes) {
    for (int32_t dtype : kFloats) {
      for (int32_t pooling : {NAMP_POOL_MAX, NAMP_POOL_AVERAGE}) {
        check(shape, dtype, pooling, random_values(shape.planes * shape.in_h * shape.in_w, 1));
        if (HasFailure()) return;
      }
    }
  }
}

TEST_P(PoolingTest, NanWinsAndTheFirstOfEquals) {
  for (const PoolingShape& shape :
       {PoolingShape{3, 8, 38, 2, 2, 2, 2}, PoolingShape{3, 8, 38, 3, 3, 2, 2, 1, 1}}) {
    for (int32_t dtype : kFloats) {
      std::vector<double> values = random_values(3 * 8 * 38, 5);
      for (double& value : values) {
        value = std::round(value);  // many equal values
        if (value == 2) value = kNaN;
        if (value == -2) value = -kInfinity;
      }
      check(shape, dtype, NAMP_POOL_MAX, values);
      check(shape, dtype, NAMP_POOL_MAX, std::vector<double>(values.size(), -kInfinity));
    }
  }
}

// The indices come from the caller: one outside of the window is ignored.
TEST_P(PoolingTest, ForeignIndicesTouchNothing) {
  for (const PoolingShape& shape :
       {PoolingShape{1, 2, 34, 2, 2, 2, 2}, PoolingShape{1, 3, 34, 3, 3, 2, 2, 1, 1}}) {
    const int64_t outputs = shape.kernel_h == 2 ? 17 : 34;
    Buffer indices(device_, NAMP_UINT8, std::vector<double>(static_cast<size_t>(outputs), 255));
    Buffer output_gradient(device_, NAMP_FLOAT32, random_values(outputs, 1));
    Buffer input_gradient(device_, NAMP_FLOAT32, shape.in_h * shape.in_w);
    namp_pool2d_args args = args_of(shape, NAMP_FLOAT32, NAMP_POOL_MAX);
    args.indices = static_cast<uint8_t*>(indices.data());
    args.output_gradient = output_gradient.data();
    args.input_gradient = input_gradient.data();
    run_everywhere([&] { return namp_pool2d_backward(device_, &args, nullptr); },
                   {&input_gradient});
    for (int64_t i = 0; i < input_gradient.size(); ++i)
      ASSERT_EQ(input_gradient[i], 0.0);
  }
}

TEST_P(PoolingTest, RefusesWhatDoesNotFit) {
  Buffer input(device_, NAMP_FLOAT32, random_values(16, 1));
  Buffer out(device_, NAMP_FLOAT32, random_values(16, 2));
  namp_pool2d_args good = args_of({1, 4, 4, 2, 2, 2, 2}, NAMP_FLOAT32, NAMP_POOL_MAX);
  good.input = good.output_gradient = input.data();
  good.output = good.input_gradient = out.data();
  good.indices = static_cast<uint8_t*>(input.data());
  const auto refuse = [&](const std::function<void(namp_pool2d_args&)>& spoil) {
    namp_pool2d_args args = good;
    spoil(args);
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_pool2d_forward(device_, &args, nullptr),
                   {&out});
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_pool2d_backward(device_, &args, nullptr),
                   {&out});
  };
  refuse([](auto& args) { args.struct_size = 1; });
  refuse([](auto& args) { args.pooling = 0; });
  refuse([](auto& args) { args.dtype = NAMP_UINT8; });
  refuse([](auto& args) { args.planes = -1; });
  refuse([](auto& args) { args.kernel_h = 5; });
  refuse([](auto& args) { args.pad_w = 2; });
  refuse([](auto& args) { args.stride_w = 0; });
  refuse([](auto& args) { args.in_h = args.in_w = args.kernel_h = args.kernel_w = 17; });
  refuse([](auto& args) { args.planes = INT64_C(1) << 57; });
  refuse([](auto& args) {
    args.input = args.output_gradient = nullptr;
    args.indices = nullptr;
  });
}

NAMP_ON_EVERY_DEVICE(PoolingTest);

}  // namespace
}  // namespace namp_test
