// Convolutions on a GPU without columns: in half precision on its tensor cores, whose products gather
// them, and those of one channel a group.
#include <random>

#include "convolution_test.h"

namespace namp_test {
namespace {

class GatheredConvolutionTest : public WithoutCublas<ConvolutionTest> {
 protected:
  void SetUp() override {
    WithoutCublas::SetUp();
    if (device_.handle() == nullptr) return;
    auto info = make_args<namp_device_info>();
    ASSERT_EQ(namp_device_get_info(&info, device_), NAMP_OK);
    dtypes_ = {NAMP_FLOAT16};
    if (info.compute_major >= 8) dtypes_.push_back(NAMP_BFLOAT16);
  }

  uint64_t launches_of(const char* name) const { return emulated_gpu()->launches_of(name); }
  uint64_t launches() const {
    nampemu_counters counters{};
    emulated_gpu()->get_counters(&counters, sizeof(counters));
    return counters.launches;
  }

  // Makes a call's tensors and runs the three passes, each with counters of its own.
  void count(const Shape& s, int32_t dtype, uint64_t forward, uint64_t data, uint64_t weights) {
    SCOPED_TRACE(s.text());
    Buffer input(device_, dtype, random_values(s.inputs(), 1));
    Buffer weight(device_, dtype, random_values(s.weights(), 2));
    Buffer gradient(device_, dtype, random_values(s.outputs(), 3));
    Buffer output(device_, dtype, s.outputs());
    Buffer input_gradient(device_, dtype, s.inputs());
    Buffer weight_gradient(device_, NAMP_FLOAT32, s.weights());
    auto args = make_args<namp_conv2d_args>();
    args.dtype = dtype;
    args.weight_gradient_dtype = args.bias_gradient_dtype = NAMP_FLOAT32;
    s.set(args);
    args.input = input.data();
    args.weight = weight.data();
    args.output = output.data();
    args.output_gradient = gradient.data();
    args.input_gradient = input_gradient.data();
    args.weight_gradient = weight_gradient.data();
    const auto run = [&](auto call, uint64_t expected, const char* what) {
      emulated_gpu()->reset_counters();
      ASSERT_EQ(call(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
      EXPECT_EQ(launches(), expected) << what;
      EXPECT_EQ(launches_of("image_to_columns") + launches_of("columns_to_image"), 0U) << what;
    };
    run(namp_conv2d_forward, forward, "forward");
    run(namp_conv2d_backward_data, data, "data");
    run(namp_conv2d_backward_weights, weights, "weights");
  }

  std::vector<int32_t> dtypes_;  // that its tensor cores know
};

// Slices that end within a tap and that hold several; rows and positions of more than a tile; groups
// whose channels are no whole words; phases of a gradient without taps and without positions, and of
// different sizes; strides that have phases of their own and one that has not.
TEST_P(GatheredConvolutionTest, EveryWayThroughTheTaps) {
  const Shape shapes[] = {
      {2, 8, 7, 9, 8, 3, 3, 1, 1, 1, 1},
      {1, 40, 6, 5, 70, 3, 2, 1, 1, 1, 0},
      {3, 17, 9, 8, 9, 2, 3, 2, 1, 0, 1},
      {1, 33, 12, 13, 5, 5, 3, 1, 2, 2, 1, 1, 2},
      {2, 12, 9, 10, 20, 3, 3, 2, 2, 1, 1, 1, 1, 4},
      {2, 18, 8, 8, 27, 3, 3, 1, 1, 1, 1, 1, 1, 9},
      {2, 6, 5, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 6},
      {1, 9, 17, 15, 11, 3, 3, 2, 4, 1, 2, 2, 2},
      {1, 9, 16, 15, 11, 3, 4, 4, 3, 0, 1, 2, 3},
      {2, 16, 10, 11, 24, 1, 1, 2, 2},
      {2, 16, 5, 7, 24, 1, 1, 1, 1, 1, 2},
      {1, 8, 2, 1, 8, 3, 5, 4, 4, 2, 3},
      {1, 8, 11, 12, 8, 3, 3, 5, 2, 1, 1},
      {1, 8, 1, 150, 8, 1, 7, 1, 1, 0, 3},
      {1, 8, 9, 40, 136, 2, 2, 1, 1, 1, 0},
      {40, 24, 4, 4, 16, 3, 3, 1, 1, 1, 1},
      // Few channels and an even stride: rows of taps are windows, of whole words and of none, wider than
      // the image and than a slice.
      {2, 3, 17, 19, 5, 7, 7, 2, 2, 3, 3},
      {3, 4, 9, 12, 70, 3, 5, 1, 2, 0, 4},
      {2, 1, 8, 9, 6, 2, 9, 2, 4, 1, 1},
      {1, 2, 6, 7, 8, 3, 2, 1, 2, 1, 1, 2, 1},
      {1, 3, 5, 2, 9, 2, 3, 1, 4, 1, 2},
      // Images whose pixels are copied by eight, by four, and every second of as many.
      {2, 20, 4, 8, 9, 2, 2, 1, 1},
      {3, 9, 3, 4, 24, 1, 3, 1, 1, 0, 1},
      {2, 70, 6, 8, 24, 1, 1, 2, 2},
      {2, 24, 5, 12, 16, 1, 1, 1, 2},
      {2, 24, 8, 8, 20, 1, 1, 3, 2, 0, 0, 1, 1, 2},
      // Few channels and strides, whose image's gradient has the rows of all phases: kernels of as many taps as
      // strides, of more, and of two sizes; and what has not.
      {2, 3, 10, 12, 20, 7, 7, 2, 2, 3, 3},
      {3, 2, 9, 8, 9, 3, 5, 3, 4, 0, 1},
      {2, 9, 6, 8, 8, 4, 2, 2, 1, 2, 0},
      {2, 3, 8, 9, 8, 2, 3, 2, 2, 1, 0},
      // One tap and a stride of two in a row: gradients that are spread by eight, four and two.
      {2, 9, 5, 16, 8, 1, 1, 3, 2},
      {1, 8, 4, 12, 24, 1, 1, 1, 2, 0, 0, 1, 1, 2},
      {3, 16, 7, 6, 8, 1, 1, 2, 2},
      // Packs of positions that several images share.
      {9, 8, 1, 3, 8, 1, 2, 1, 1, 0, 1},
      {7, 8, 3, 2, 8, 2, 2, 2, 2, 1, 1},
  };
  bool bias = false;
  for (const Shape& shape : shapes) {
    for (const int32_t dtype : dtypes_) {
      bias = !bias;
      if (is_slow() && !bias) continue;
      check(shape, dtype, bias ? dtype : NAMP_FLOAT32, bias, !bias);
      if (HasFailure()) return;
    }
  }
}

// One channel a group, in every dtype: several outputs of each, strides, phases without taps, more
// positions than a block has threads, and more blocks than there are images.
TEST_P(GatheredConvolutionTest, Depthwise) {
  const Shape shapes[] = {
      {2, 6, 5, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 6},  {3, 3, 9, 8, 9, 3, 2, 2, 1, 1, 1, 1, 2, 3},
      {5, 2, 11, 9, 8, 1, 3, 3, 4, 0, 1, 1, 1, 2}, {2, 1, 17, 40, 4, 5, 5, 1, 1, 2, 2},
      {2, 5, 4, 4, 5, 1, 1, 1, 1, 0, 0, 1, 1, 5},  {1, 2, 13, 15, 4, 2, 3, 4, 2, 2, 3, 2, 3, 2},
  };
  bool bias = false;
  for (const Shape& shape : shapes) {
    for (const int32_t dtype : kFloats) {
      bias = !bias;
      check(shape, dtype, bias ? dtype : NAMP_FLOAT32, bias, !bias);
      if (HasFailure()) return;
    }
    if (device_.is_emulated()) count(shape, NAMP_FLOAT32, 1, 1, 2);
  }
}

// Sizes drawn from a seed, that tests of every shape may not have thought of.
TEST_P(GatheredConvolutionTest, DrawnShapes) {
  std::mt19937_64 random(20261128);
  const auto draw = [&](int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random() % static_cast<uint64_t>(most - least + 1));
  };
  for (int round = 0; round < (is_slow() ? 3 : 60); ++round) {
    Shape s{};
    s.groups = draw(1, 4);
    s.batch = draw(1, 3);
    const bool depthwise = round % 4 == 3;
    s.in_channels = s.groups * (depthwise ? 1 : draw(1, 20));
    s.out_channels = s.groups * draw(1, depthwise ? 5 : 20);
    s.kernel_h = draw(1, 4);
    s.kernel_w = draw(1, 4);
    s.stride_h = draw(1, 4);
    s.stride_w = draw(1, 4);
    s.pad_h = draw(0, 3);
    s.pad_w = draw(0, 3);
    s.dilation_h = draw(1, 4);
    s.dilation_w = draw(1, 4);
    const auto extent = [&](int64_t kernel, int64_t dilation, int64_t pad) {
      return std::max<int64_t>(1, dilation * (kernel - 1) + 1 - 2 * pad) + draw(0, 9);
    };
    s.in_h = extent(s.kernel_h, s.dilation_h, s.pad_h);
    s.in_w = extent(s.kernel_w, s.dilation_w, s.pad_w);
    const int32_t dtype = dtypes_[static_cast<size_t>(round) % dtypes_.size()];
    check(s, dtype, round % 3 == 0 ? NAMP_FLOAT32 : dtype, round % 2 == 0, round % 4 < 2);
    if (HasFailure()) return;
  }
}

// Tiles of 128 rows and columns, and of 32 rows for few channels, for which there have to be enough of them: of the
// output and of the image's gradient, and of the weight's. An image alone is made of tiles of 64, with the same bits.
TEST_P(GatheredConvolutionTest, TheTilesSizeDoesNotChangeABit) {
  auto info = make_args<namp_device_info>();
  ASSERT_EQ(namp_device_get_info(&info, device_), NAMP_OK);
  if (is_slow() || info.multiprocessors > 16) GTEST_SKIP() << "as many tiles as multiprocessors";
  for (const int32_t dtype : dtypes_) {
    for (const Shape& many : {Shape{info.multiprocessors, 16, 8, 16, 128, 3, 3, 1, 1, 1, 1},
                              Shape{info.multiprocessors, 128, 8, 16, 16, 3, 3, 1, 1, 1, 1},
                              Shape{info.multiprocessors * 4, 16, 8, 16, 20, 3, 3, 1, 1, 1, 1}}) {
      const bool forward = many.out_channels > many.in_channels;
      Shape one = many;
      one.batch = 1;
      Buffer weight(device_, dtype, random_values(many.weights(), 1));
      Buffer given(device_, dtype, random_values(forward ? many.inputs() : many.outputs(), 2));
      Buffer of_one(device_, dtype, forward ? one.outputs() : one.inputs());
      Buffer of_many(device_, dtype, forward ? many.outputs() : many.inputs());
      auto args = make_args<namp_conv2d_args>();
      args.dtype = dtype;
      args.weight = weight.data();
      args.input = args.output_gradient = given.data();
      if (device_.is_emulated()) emulated_gpu()->reset_counters();
      for (const bool is_one : {true, false}) {
        (is_one ? one : many).set(args);
        args.output = args.input_gradient = is_one ? of_one.data() : of_many.data();
        ASSERT_EQ(forward ? namp_conv2d_forward(device_, &args, nullptr)
                          : namp_conv2d_backward_data(device_, &args, nullptr),
                  NAMP_OK)
            << namp_last_error_message();
      }
      for (int64_t i = 0; i < of_one.size(); ++i)
        ASSERT_EQ(of_many[i], of_one[i]) << i;
      if (!device_.is_emulated()) continue;
      EXPECT_EQ(launches_of("_64_kernel"), 1U);
      EXPECT_EQ(launches_of(many.out_channels == 20 ? "_32_128_kernel" : "_128_kernel"), 1U);
      check(many, dtype, dtype, true, false);
      if (HasFailure()) return;
    }
    // Of few channels: rows of all phases.
    const Shape first{info.multiprocessors * 4, 3, 16, 16, 16, 7, 7, 2, 2, 3, 3};
    const Shape weight{2, 56, 5, 6, 128, 3, 3, 1, 1, 1, 1};
    if (device_.is_emulated()) emulated_gpu()->reset_counters();
    check(first, dtype, dtype, false, false);
    check(weight, dtype, NAMP_FLOAT32, false, false);
    if (HasFailure() || !device_.is_emulated()) continue;
    EXPECT_GE(launches_of("_32_128_kernel"), 1U);
    EXPECT_GE(launches_of("_weight_128_kernel"), 1U);
  }
}

// A copy of the operands, the product, and for the weight's gradient a sum of its parts: for any number
// of images and groups, and without columns. A 1x1 kernel's image is its own columns, and its
// gradient of the weight a product an image, as long as their sums are less than copies would be; of
// copies it is one product.
TEST_P(GatheredConvolutionTest, LaunchesAreFew) {
  if (!device_.is_emulated()) GTEST_SKIP() << "only the emulated GPU counts";
  for (const int32_t dtype : dtypes_) {
    count({1, 8, 6, 5, 8, 3, 3, 1, 1, 1, 1}, dtype, 2, 2, 3);
    count({5, 12, 6, 5, 18, 3, 3, 2, 3, 1, 1, 1, 1, 6}, dtype, 2, 2, 3);
    count({3, 8, 6, 5, 8, 1, 1, 2, 2}, dtype, 2, 2, 2);
    count({3, 8, 6, 6, 8, 1, 1, 2, 2}, dtype, 2, 3, 2);
    count({3, 8, 8, 8, 8, 1, 1, 2, 2}, dtype, 2, 2, 2);
    count({3, 3, 6, 5, 8, 3, 3, 2, 2}, dtype, 2, 2, 4);
    count({3, 3, 6, 4, 8, 3, 3, 2, 2}, dtype, 2, 3, 4);  // and weights for all phases
    count({2, 8, 6, 4, 8, 1, 1}, dtype, 1, 1, 2);
    count({2, 40, 6, 4, 72, 1, 1}, dtype, 1, 1, 2);
    count({2, 80, 6, 4, 144, 1, 1, 1, 1, 0, 0, 1, 1, 2}, dtype, 2, 2, 3);
    count({2, 80, 6, 5, 144, 1, 1, 1, 1, 0, 0, 1, 1, 2}, dtype, 2, 2, 3);  // rows of no whole words
  }
}

// Images whose copies the workspace does not hold at a time: every fourth position one way and every third
// the other, and the next beside it. Sums of few small numbers are exact.
TEST_P(GatheredConvolutionTest, MoreImagesThanTheWorkspaceHolds) {
  if (is_slow()) GTEST_SKIP() << "not under sanitizers";
  const Shape s{2, 1, 1024, 1032, 5, 1, 2, 4, 3};  // a copy has 16 bytes for each position
  std::vector<double> values(static_cast<size_t>(s.inputs()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>(i % 7) - 2;
  Buffer input(device_, NAMP_FLOAT16, values);
  const std::vector<double> factors{1, 2, 0, 1, -1, 1, 3, 0, 2, -2};
  Buffer weight(device_, NAMP_FLOAT16, factors);
  Buffer output(device_, NAMP_FLOAT16, s.outputs());
  Buffer ones(device_, NAMP_FLOAT16, std::vector<double>(static_cast<size_t>(s.outputs()), 1.0));
  Buffer gradient(device_, NAMP_FLOAT32, s.weights());
  auto args = make_args<namp_conv2d_args>();
  args.dtype = NAMP_FLOAT16;
  args.weight_gradient_dtype = args.bias_gradient_dtype = NAMP_FLOAT32;
  s.set(args);
  args.input = input.data();
  args.weight = weight.data();
  args.output = output.data();
  args.output_gradient = ones.data();
  args.weight_gradient = gradient.data();
  if (device_.is_emulated()) emulated_gpu()->reset_counters();
  ASSERT_EQ(namp_conv2d_forward(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  if (device_.is_emulated()) {
    EXPECT_EQ(launches(), 4U);
  }
  ASSERT_EQ(namp_conv2d_backward_weights(device_, &args, nullptr), NAMP_OK)
      << namp_last_error_message();
  const std::vector<double>& made = output.values();
  double sums[2] = {};
  int64_t wrong = 0;
  const int64_t plane = s.out_h() * s.out_w();
  for (int64_t i = 0; i < s.batch * plane; ++i) {
    const int64_t first = i / s.out_w() * 4 * s.in_w + i % s.out_w() * 3;  // rows of all images
    const double x = values[static_cast<size_t>(first)];
    const double y = values[static_cast<size_t>(first + 1)];
    for (int64_t o = 0; o < s.out_channels; ++o) {
      const auto at = static_cast<size_t>((i / plane * s.out_channels + o) * plane + i % plane);
      const auto own = static_cast<size_t>(2 * o);
      wrong += made[at] != x * factors[own] + y * factors[own + 1] ? 1 : 0;
    }
    sums[0] += x;
    sums[1] += y;
  }
  EXPECT_EQ(wrong, 0);
  for (int64_t i = 0; i < s.weights(); ++i)
    EXPECT_EQ(gradient[i], sums[i % 2]) << i;
}

INSTANTIATE_TEST_SUITE_P(Devices, GatheredConvolutionTest, ::testing::Values(Where::kGpu),
                         [](const auto&) { return "gpu"; });

}  // namespace
}  // namespace namp_test
