// Embedding lookups and their gradient against plain loops.
#include "backend_test.h"

namespace namp_test {
namespace {

class EmbeddingTest : public BackendTest {
 protected:
  void check(int64_t count, int64_t vocabulary, int64_t width, int32_t weight_dtype,
             int32_t output_dtype, bool accumulate) {
    SCOPED_TRACE(std::to_string(count) + " of " + std::to_string(vocabulary) + " rows of " +
                 std::to_string(width) + ", dtypes " + std::to_string(weight_dtype) +
                 std::to_string(output_dtype));
    std::mt19937 generator(static_cast<uint32_t>(count * 31 + width));
    std::vector<double> picks;
    for (int64_t i = 0; i < count; ++i) {
      // One in eight is out of range, on either side.
      const auto pick = static_cast<double>(generator() % static_cast<uint32_t>(vocabulary));
      picks.push_back(i % 16 == 9    ? -1.0 - pick
                      : i % 16 == 15 ? static_cast<double>(vocabulary) + pick
                                     : pick);
    }
    Buffer indices(device_, NAMP_INT32, picks, 1);
    Buffer weight(device_, weight_dtype, random_values(vocabulary * width, 1), 1);
    Buffer output(device_, output_dtype, count * width, 2);
    Buffer gradient(device_, output_dtype, random_values(count * width, 2), 3);
    Buffer weight_gradient(device_, NAMP_FLOAT32, random_values(vocabulary * width, 3), 1);
    const std::vector<double> before = weight_gradient.values();
    auto args = make_args<namp_embedding_args>();
    args.weight_dtype = weight_dtype;
    args.output_dtype = output_dtype;
    args.count = count;
    args.vocabulary = vocabulary;
    args.width = width;
    args.indices = indices.ints();
    args.weight = weight.data();
    args.output = output.data();
    args.output_gradient = gradient.data();
    args.weight_gradient = weight_gradient.floats();
    args.accumulate = accumulate ? 1 : 0;
    run_everywhere([&] { return namp_embedding_forward(device_, &args, nullptr); }, {&output});
    run_everywhere([&] { return namp_embedding_backward(device_, &args, nullptr); },
                   {&weight_gradient});
    // Sums in the order of the indices, in float32: the exact bits are known.
    std::vector<float> sums(static_cast<size_t>(vocabulary * width), 0.0F);
    if (accumulate) std::copy(before.begin(), before.end(), sums.begin());
    for (int64_t i = 0; i < count; ++i) {
      const double pick = picks[static_cast<size_t>(i)];
      const bool valid = pick >= 0 && pick < static_cast<double>(vocabulary);
      for (int64_t w = 0; w < width; ++w) {
        const double actual = output[i * width + w];
        if (!valid) {
          ASSERT_TRUE(std::isnan(actual)) << i;
          continue;
        }
        const auto row = static_cast<int64_t>(pick);
        ASSERT_EQ(actual, rounded(weight[row * width + w], output_dtype)) << i;
        sums[static_cast<size_t>(row * width + w)] += static_cast<float>(gradient[i * width + w]);
      }
    }
    for (int64_t i = 0; i < vocabulary * width; ++i) {
      ASSERT_EQ(weight_gradient[i], static_cast<double>(sums[static_cast<size_t>(i)])) << i;
    }
  }
};

TEST_P(EmbeddingTest, EveryWidthAndDtypePair) {
  for (int32_t weight : kFloats) {
    for (int32_t output : kFloats) {
      for (int64_t width : every(1, 67)) {
        check(20, 7, width, weight, output, width % 2 == 0);
      }
    }
  }
}

TEST_P(EmbeddingTest, LargeAndDegenerateShapes) {
  const int64_t part = device_.is_gpu() ? 8 : 1;  // all of it takes too long there
  check(2048 / part, 256 / part, 256, NAMP_BFLOAT16, NAMP_BFLOAT16, false);
  check(1000 / part, 3, 777, NAMP_FLOAT32, NAMP_FLOAT16, true);
  check(3000 / part, 5000 / part, 9, NAMP_FLOAT16, NAMP_FLOAT16, false);
  // More indices than a GPU's block looks at together, and more rows than it has groups of.
  check(2500, 600, 3, NAMP_FLOAT32, NAMP_BFLOAT16, true);
  check(0, 5, 6, NAMP_FLOAT32, NAMP_FLOAT32, false);
}

TEST_P(EmbeddingTest, AnIndexOutOfRangeIsNoted) {
  Buffer weight(device_, NAMP_FLOAT32, random_values(5 * 3, 1));
  Value<namp_index_fact> fact(device_);
  Buffer indices(device_, NAMP_INT32, std::vector<double>(900, 4));
  Buffer output(device_, NAMP_FLOAT32, 900 * 3);
  auto args = make_args<namp_embedding_args>();
  args.weight_dtype = args.output_dtype = NAMP_FLOAT32;
  args.count = 900;
  args.vocabulary = 5;
  args.width = 3;
  args.indices = indices.ints();
  args.weight = weight.data();
  args.output = output.data();
  args.bad_index = fact.data();
  ASSERT_EQ(namp_embedding_forward(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(fact->count, 0);
  indices.set(877, 5);
  indices.set(898, -1);
  ASSERT_EQ(namp_embedding_forward(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(fact->count, 1);
  EXPECT_EQ(fact->position, 877);
  EXPECT_EQ(fact->value, 5);
  EXPECT_EQ(fact->range, 5);
  EXPECT_EQ(fact->kind, NAMP_INDEX_ROW);
  EXPECT_TRUE(std::isnan(output[877 * 3])) << "the row is still NaN";
  EXPECT_FALSE(std::isnan(output[876 * 3]));
}

TEST_P(EmbeddingTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  auto good = make_args<namp_embedding_args>();
  good.weight_dtype = good.output_dtype = NAMP_FLOAT32;
  good.count = 2;
  good.vocabulary = 3;
  good.width = 4;
  good.indices = data.ints();
  good.weight = data.floats() + 4;
  good.output = data.floats() + 32;
  const auto refused = [&](int32_t status, auto change) {
    namp_embedding_args args = good;
    change(args);
    expect_refused(status, namp_embedding_forward(device_, &args, nullptr), {&data});
  };
  using Args = namp_embedding_args;
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.struct_size = 1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.weight_dtype = NAMP_INT32; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.output_dtype = 0; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.count = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.vocabulary = -1; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.width = INT64_MAX / 2; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.indices = nullptr; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.weight = nullptr; });
  refused(NAMP_ERROR_INVALID_ARGUMENT, [](Args& a) { a.output = nullptr; });
  refused(NAMP_ERROR_MISALIGNED, [](Args& a) {
    a.indices = reinterpret_cast<const int32_t*>(reinterpret_cast<const char*>(a.indices) + 1);
  });
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_embedding_forward(device_, nullptr, nullptr));
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_embedding_backward(device_, &good, nullptr));
  good.output_gradient = data.floats();
  good.weight_gradient = data.floats() + 32;
  good.accumulate = 2;
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_embedding_backward(device_, &good, nullptr),
                 {&data});
}

NAMP_ON_EVERY_DEVICE(EmbeddingTest);

}  // namespace
}  // namespace namp_test
