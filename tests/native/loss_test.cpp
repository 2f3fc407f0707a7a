// Family 2 against plain loops in double.
#include "backend_test.h"

namespace namp_test {
namespace {

class CrossEntropyTest : public BackendTest {};
class MeanSquaredErrorTest : public BackendTest {};

// The error of one rounding, added to that of float32 arithmetic.
double unit_of(int32_t dtype) {
  return dtype == NAMP_FLOAT32 ? 1e-6 : dtype == NAMP_FLOAT16 ? 6e-4 : 5e-3;
}

TEST_P(CrossEntropyTest, AgainstDoubleOnEveryDtype) {
  Value<float> scale(device_, 256.0f), upstream(device_, 0.5f);
  for (int64_t classes : {1, 2, 3, 7, 10, 16, 17, 33, 67, 1000}) {
    for (int32_t dtype : kFloats) {
      for (int32_t mean : {0, 1}) {
        SCOPED_TRACE(testing::Message() << classes << " classes, dtype " << dtype);
        const int64_t rows = classes != 10 ? 13 : device_.is_gpu() ? 500 : 5000;
        Buffer logits(device_, dtype,
                      uniform_values(rows * classes, static_cast<uint32_t>(classes), -8, 8), 1);
        std::vector<double> labels;
        std::mt19937 engine(5);
        for (int64_t row = 0; row < rows; ++row)
          labels.push_back(row % 5 == 4 ? -100.0 : static_cast<double>(engine() % classes));
        Buffer label_buffer(device_, NAMP_INT32, labels);
        Buffer gradient(device_, dtype, rows * classes, 3);
        Buffer loss(device_, NAMP_FLOAT32, 1);
        auto args = make_args<namp_cross_entropy_args>();
        args.logits_dtype = args.gradient_dtype = dtype;
        args.logits = logits.data();
        args.labels = label_buffer.ints();
        args.rows = rows;
        args.classes = classes;
        args.ignore_index = -100;
        args.mean = mean;
        args.loss = loss.floats();
        args.gradient = gradient.data();
        args.scale = scale.data();
        args.upstream = upstream.data();
        run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); },
                       {&gradient, &loss});
        double total = 0;
        int64_t counted = 0;
        for (int64_t row = 0; row < rows; ++row)
          counted += labels[static_cast<size_t>(row)] != -100 ? 1 : 0;
        for (int64_t row = 0; row < rows; ++row) {
          double sum = 0;
          for (int64_t c = 0; c < classes; ++c)
            sum += std::exp(logits[row * classes + c]);
          const auto label = static_cast<int64_t>(labels[static_cast<size_t>(row)]);
          if (label != -100) total += std::log(sum) - logits[row * classes + label];
          for (int64_t c = 0; c < classes; ++c) {
            double g = std::exp(logits[row * classes + c]) / sum - (c == label ? 1 : 0);
            g *= label == -100 ? 0 : 128.0 / static_cast<double>(mean != 0 ? counted : 1);
            ASSERT_NEAR(gradient[row * classes + c], g, unit_of(dtype) * std::fabs(g) + 3e-5);
          }
        }
        if (mean != 0) total /= static_cast<double>(counted);
        ASSERT_NEAR(loss[0], total, 1e-5 * std::fabs(total) + 1e-6);
      }
    }
  }
}

// A call for the loss keeps what the call for the gradient needs of each row: the same bits as without.
TEST_P(CrossEntropyTest, KeptSumsGiveTheSameBits) {
  for (const int64_t classes : {1, 10, 17, 67, 1000}) {
    for (const int32_t dtype : kFloats) {
      SCOPED_TRACE(testing::Message() << classes << " classes, dtype " << dtype);
      const int64_t rows = 23;
      Buffer logits(device_, dtype,
                    uniform_values(rows * classes, static_cast<uint32_t>(classes), -8, 8), 1);
      std::vector<double> labels;
      for (int64_t row = 0; row < rows; ++row)
        labels.push_back(row % 5 == 4 ? -100.0 : static_cast<double>(row % classes));
      Buffer label_buffer(device_, NAMP_INT32, labels);
      Buffer expected(device_, dtype, rows * classes);
      Buffer gradient(device_, dtype, rows * classes);
      Buffer row_sums(device_, NAMP_FLOAT32, std::vector<double>(2 * rows, 77.0), 3);
      auto args = make_args<namp_cross_entropy_args>();
      args.logits_dtype = args.gradient_dtype = dtype;
      args.logits = logits.data();
      args.labels = label_buffer.ints();
      args.rows = rows;
      args.classes = classes;
      args.ignore_index = -100;
      args.mean = 1;
      args.gradient = expected.data();
      ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK);
      args.row_sums = row_sums.floats();
      args.gradient = nullptr;
      run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); }, {&row_sums});
      for (int64_t row = 0; row < rows; ++row) {
        double largest = 77, sum = 77;  // as before, of a row that is ignored
        if (row % 5 != 4) {
          largest = -100;
          for (int64_t c = 0; c < classes; ++c)
            largest = std::max(largest, logits[row * classes + c]);
          sum = 0;
          for (int64_t c = 0; c < classes; ++c)
            sum += std::exp(logits[row * classes + c] - largest);
        }
        ASSERT_EQ(row_sums[2 * row], largest);
        ASSERT_NEAR(row_sums[2 * row + 1], sum, 1e-5 * sum);
      }
      args.gradient = gradient.data();
      ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK);
      for (int64_t i = 0; i < rows * classes; ++i)
        ASSERT_EQ(gradient.bits(i), expected.bits(i)) << i;
      // They are what is read.
      row_sums.set(1, 2 * row_sums[1]);
      ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK);
      if (classes > 1) {
        ASSERT_NEAR(gradient[1], 0.5 * expected[1], unit_of(dtype) * std::fabs(expected[1]) + 1e-7);
      }
    }
  }
}

// Rows longer than the lanes of their sums: the same bits wherever they begin, and also where the largest
// logit is far above those of the beginning, or all of those are -infinity.
TEST_P(CrossEntropyTest, LongRowsInOneAndTwoPasses) {
  constexpr int64_t kRows = 4, kClasses = 2507;
  const std::vector<double> labels{2500, 7, 2000, 3};
  for (const int32_t dtype : kFloats) {
    std::vector<double> values = uniform_values(kRows * kClasses, 3, -8, 8);
    values[kClasses + 2400] = 60;
    std::fill_n(values.begin() + 2 * kClasses, 1100, -kInfinity);
    values[3 * kClasses + 5] = 12;
    std::vector<uint32_t> bits;
    for (const int64_t shift : {0, 1, 2, 3, 4, 5, 6, 7}) {
      SCOPED_TRACE(testing::Message() << "dtype " << dtype << ", shift " << shift);
      Buffer logits(device_, dtype, values, shift);
      Buffer label_buffer(device_, NAMP_INT32, labels);
      Buffer row_sums(device_, NAMP_FLOAT32, 2 * kRows);
      Buffer gradient(device_, NAMP_FLOAT32, kRows * kClasses, 1);
      Buffer loss(device_, NAMP_FLOAT32, 1);
      auto args = make_args<namp_cross_entropy_args>();
      args.logits_dtype = dtype;
      args.gradient_dtype = NAMP_FLOAT32;
      args.logits = logits.data();
      args.labels = label_buffer.ints();
      args.rows = kRows;
      args.classes = kClasses;
      args.ignore_index = -100;
      args.loss = loss.floats();
      args.row_sums = row_sums.floats();
      run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); },
                     {&row_sums, &loss});
      args.gradient = gradient.data();
      args.loss = nullptr;
      run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); }, {&gradient});
      double total = 0;
      for (int64_t row = 0; row < kRows; ++row) {
        double largest = -kInfinity, sum = 0;
        for (int64_t c = 0; c < kClasses; ++c)
          largest = std::max(largest, logits[row * kClasses + c]);
        for (int64_t c = 0; c < kClasses; ++c)
          sum += std::exp(logits[row * kClasses + c] - largest);
        ASSERT_EQ(row_sums[2 * row], largest);
        ASSERT_NEAR(row_sums[2 * row + 1], sum, 2e-6 * sum);
        const auto label = static_cast<int64_t>(labels[static_cast<size_t>(row)]);
        total += std::log(sum) - (logits[row * kClasses + label] - largest);
        for (int64_t c = 0; c < kClasses; ++c) {
          const double g =
              std::exp(logits[row * kClasses + c] - largest) / sum - (c == label ? 1 : 0);
          // The difference of two logits is rounded before its exponential.
          const double apart = largest - std::max(logits[row * kClasses + c], -100.0);
          const double relative = 1e-6 + 0x1p-24 * apart;
          ASSERT_NEAR(gradient[row * kClasses + c], g, relative * std::fabs(g) + 1e-37);
        }
      }
      ASSERT_NEAR(loss[0], total, 1e-6 * total);
      std::vector<uint32_t> now{loss.bits(0)};
      for (int64_t i = 0; i < 2 * kRows; ++i)
        now.push_back(row_sums.bits(i));
      if (bits.empty()) bits = now;
      ASSERT_EQ(now, bits);
    }
  }
}

// The bits of rows without anything between them; what lies there is not read, and its gradient is 0.
TEST_P(CrossEntropyTest, RowsThatAreApart) {
  for (const auto& sizes : {std::pair<int64_t, int64_t>{3, 8}, {10, 11}, {2507, 2512}}) {
    const int64_t classes = sizes.first;
    const int64_t stride = sizes.second;
    for (const int32_t dtype : kFloats) {
      SCOPED_TRACE(testing::Message()
                   << classes << " classes in " << stride << ", dtype " << dtype);
      const std::vector<double> labels{2, -100, 0, static_cast<double>(classes)};
      const auto rows = static_cast<int64_t>(labels.size());
      const std::vector<double> values = uniform_values(rows * classes, 7, -8, 8);
      std::vector<double> apart(static_cast<size_t>(rows * stride), kNaN);
      for (int64_t row = 0; row < rows; ++row)
        std::copy_n(values.begin() + row * classes, classes, apart.begin() + row * stride);
      Buffer label_buffer(device_, NAMP_INT32, labels);
      Buffer close_logits(device_, dtype, values);
      Buffer close_gradient(device_, dtype, rows * classes);
      Buffer logits(device_, dtype, apart);
      Buffer gradient(device_, dtype, rows * stride);
      Buffer loss(device_, NAMP_FLOAT32, 1);
      auto args = make_args<namp_cross_entropy_args>();
      args.logits_dtype = args.gradient_dtype = dtype;
      args.logits = close_logits.data();
      args.gradient = close_gradient.data();
      args.labels = label_buffer.ints();
      args.rows = rows;
      args.classes = classes;
      args.ignore_index = -100;
      ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
      args.row_stride = stride;
      args.logits = logits.data();
      args.gradient = gradient.data();
      run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); }, {&gradient});
      const auto expect_the_same = [&](const Buffer& found) {
        for (int64_t i = 0; i < rows * stride; ++i) {
          const int64_t row = i / stride, c = i % stride;
          ASSERT_EQ(found.bits(i), c < classes ? close_gradient.bits(row * classes + c) : 0u)
              << "row " << row << ", column " << c;
        }
      };
      expect_the_same(gradient);
      args.gradient = logits.data();  // in place
      ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
      expect_the_same(logits);
    }
  }
}

TEST_P(CrossEntropyTest, LabelsThatAreNone) {
  Buffer logits(device_, NAMP_FLOAT32, {1, 2, 3, 4, 5, 6});
  Buffer labels(device_, NAMP_INT32, {3, -100});
  Buffer gradient(device_, NAMP_FLOAT32, 6);
  Buffer loss(device_, NAMP_FLOAT32, 1);
  auto args = make_args<namp_cross_entropy_args>();
  args.logits_dtype = args.gradient_dtype = NAMP_FLOAT32;
  args.logits = logits.data();
  args.labels = labels.ints();
  args.rows = 2;
  args.classes = 3;
  args.ignore_index = -100;
  args.mean = 1;
  args.loss = loss.floats();
  args.gradient = gradient.data();
  const auto run = [&] {
    run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); }, {&gradient, &loss});
  };
  run();
  EXPECT_TRUE(std::isnan(loss[0]));
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(std::isnan(gradient[i]));
  for (int i = 3; i < 6; ++i)
    EXPECT_EQ(gradient[i], 0.0);
  labels.set(0, -100);
  run();
  EXPECT_TRUE(std::isnan(loss[0]));
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(gradient[i], 0.0);
  args.mean = 0;
  run();
  EXPECT_EQ(loss[0], 0.0);
}

// The first label out of range is recorded, and the loss shows it. An ignored label does not count,
// even if it is not a class.
TEST_P(CrossEntropyTest, ALabelOutOfRangeIsNoted) {
  Buffer logits(device_, NAMP_FLOAT32, std::vector<double>(700 * 3, 0.5));
  Value<namp_index_fact> fact(device_);
  for (const int32_t label : {3, -1, 255, INT32_MIN, INT32_MAX}) {
    SCOPED_TRACE(label);
    std::vector<double> labels(700, 2);
    labels[3] = -100;
    Buffer label_buffer(device_, NAMP_INT32, labels);
    Buffer loss(device_, NAMP_FLOAT32, 1);
    auto args = make_args<namp_cross_entropy_args>();
    args.logits_dtype = NAMP_FLOAT32;
    args.logits = logits.data();
    args.labels = label_buffer.ints();
    args.rows = 700;
    args.classes = 3;
    args.ignore_index = -100;
    args.mean = 1;
    args.loss = loss.floats();
    args.bad_label = fact.data();
    const namp_index_fact before = fact.get();
    ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
    EXPECT_FALSE(std::isnan(loss[0]));
    EXPECT_EQ(fact->count, before.count);
    label_buffer.set_bits(654, static_cast<uint32_t>(label));
    label_buffer.set_bits(699, 77);
    ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
    EXPECT_EQ(loss.bits(0), static_cast<uint32_t>(NAMP_BAD_LABEL_LOSS));
    EXPECT_TRUE(std::isnan(loss[0]));
    EXPECT_EQ(fact->count, before.count + 1);
    EXPECT_EQ(fact->position, 654);
    EXPECT_EQ(fact->value, label);
    EXPECT_EQ(fact->range, 3);
    EXPECT_EQ(fact->kind, NAMP_INDEX_LABEL);
  }
}

TEST_P(MeanSquaredErrorTest, EveryLengthAlignmentAndDtype) {
  Value<float> scale(device_, 32.0f);
  for (int64_t n : lengths()) {
    for (int32_t dtype : kFloats) {
      for (int32_t target_dtype : {static_cast<int32_t>(NAMP_FLOAT32), dtype}) {
        SCOPED_TRACE(testing::Message() << n << " of dtype " << dtype);
        Buffer prediction(device_, dtype, uniform_values(n, 1, -2, 2), n % 4);
        Buffer target(device_, target_dtype, uniform_values(n, 2, -2, 2), 1);
        Buffer gradient(device_, dtype, n, 3);
        Buffer loss(device_, NAMP_FLOAT32, 1);
        auto args = make_args<namp_mse_args>();
        args.prediction_dtype = args.gradient_dtype = dtype;
        args.target_dtype = target_dtype;
        args.prediction = prediction.data();
        args.target = target.data();
        args.mean = 1;
        args.count = n;
        args.loss = loss.floats();
        args.gradient = gradient.data();
        args.scale = scale.data();
        run_everywhere([&] { return namp_mse(device_, &args, nullptr); }, {&gradient, &loss});
        if (n == 0) {
          ASSERT_TRUE(std::isnan(loss[0]));
          continue;
        }
        double sum = 0;
        for (int64_t i = 0; i < n; ++i) {
          const double d = prediction[i] - target[i];
          sum += d * d;
          const double g = 2 * d * 32 / static_cast<double>(n);
          ASSERT_NEAR(gradient[i], g, unit_of(dtype) * std::fabs(g) + 1e-7);
        }
        ASSERT_NEAR(loss[0], sum / static_cast<double>(n), 1e-5 * sum / static_cast<double>(n));
      }
    }
  }
}

NAMP_ON_EVERY_DEVICE(CrossEntropyTest);
NAMP_ON_EVERY_DEVICE(MeanSquaredErrorTest);

}  // namespace
}  // namespace namp_test
