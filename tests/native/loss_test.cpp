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

// Class weights and label smoothing by their definition, each with and without the other, in the call that
// computes both, and in one for the loss and one for the gradient.
TEST_P(CrossEntropyTest, ClassWeightsAndLabelSmoothing) {
  Value<float> scale(device_, 64.0f);
  const std::vector<double> smoothings{0, 0.1, 1};
  for (const int64_t classes : {1, 3, 10, 67, 2507}) {
    const int64_t rows = classes > 1000 ? 4 : 13;
    Buffer weights(device_, NAMP_FLOAT32, uniform_values(classes, 11, 0.25, 3), 1);
    std::vector<double> labels;
    std::mt19937 engine(5);
    for (int64_t row = 0; row < rows; ++row)
      labels.push_back(row % 5 == 4 ? -100.0 : static_cast<double>(engine() % classes));
    Buffer label_buffer(device_, NAMP_INT32, labels);
    for (size_t run = 0; run < 2 * smoothings.size(); ++run) {
      const bool weighs = run % 2 != 0;
      const double smoothing = static_cast<float>(smoothings[run / 2]);
      const int32_t dtype = kFloats[run % 3];
      const bool mean = run != 2;
      SCOPED_TRACE(testing::Message() << classes << " classes, smoothing " << smoothing
                                      << ", weights " << weighs << ", dtype " << dtype);
      Buffer logits(device_, dtype, uniform_values(rows * classes, 3, -8, 8), 1);
      Buffer gradient(device_, dtype, rows * classes, 3);
      Buffer row_sums(device_, NAMP_FLOAT32, std::vector<double>(2 * rows, 77.0));
      Buffer loss(device_, NAMP_FLOAT32, 1);
      auto args = make_args<namp_cross_entropy_args>();
      args.logits_dtype = args.gradient_dtype = dtype;
      args.logits = logits.data();
      args.labels = label_buffer.ints();
      args.rows = rows;
      args.classes = classes;
      args.ignore_index = -100;
      args.mean = mean ? 1 : 0;
      args.loss = loss.floats();
      args.gradient = gradient.data();
      args.scale = scale.data();
      args.label_smoothing = static_cast<float>(smoothing);
      args.class_weights = weighs ? weights.floats() : nullptr;
      run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); },
                     {&gradient, &loss});

      const auto weight_of = [&](int64_t c) { return weighs ? weights[c] : 1.0; };
      double total = 0, divisor = 0;
      std::vector<double> expected(static_cast<size_t>(rows * classes), 0.0);
      for (int64_t row = 0; row < rows; ++row) {
        const auto label = static_cast<int64_t>(labels[static_cast<size_t>(row)]);
        if (label == -100) continue;
        divisor += weight_of(label);
        double sum = 0;
        for (int64_t c = 0; c < classes; ++c)
          sum += std::exp(logits[row * classes + c]);
        for (int64_t k = 0; k < classes; ++k) {
          // A term of the loss: -share log p[k].
          const double share = weight_of(k) * (smoothing / static_cast<double>(classes) +
                                               (k == label ? 1 - smoothing : 0.0));
          total += share * (std::log(sum) - logits[row * classes + k]);
          expected[static_cast<size_t>(row * classes + k)] -= share;
        }
        double shares = 0;
        for (int64_t k = 0; k < classes; ++k)
          shares -= expected[static_cast<size_t>(row * classes + k)];
        for (int64_t c = 0; c < classes; ++c)
          expected[static_cast<size_t>(row * classes + c)] +=
              shares * std::exp(logits[row * classes + c]) / sum;
      }
      if (!mean) divisor = 1;
      for (int64_t i = 0; i < rows * classes; ++i) {
        const double g = expected[static_cast<size_t>(i)] * 64 / divisor;
        ASSERT_NEAR(gradient[i], g, unit_of(dtype) * std::fabs(g) + 3e-5) << i;
      }
      ASSERT_NEAR(loss[0], total / divisor, 1e-5 * total / divisor + 1e-6);

      const std::vector<uint8_t> at_once = gradient.bytes();
      const uint32_t loss_at_once = loss.bits(0);
      args.row_sums = row_sums.floats();
      args.gradient = nullptr;
      run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); },
                     {&row_sums, &loss});
      EXPECT_EQ(loss.bits(0), loss_at_once);
      args.loss = nullptr;
      args.gradient = gradient.data();
      run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); }, {&gradient});
      EXPECT_EQ(gradient.bytes(), at_once);
    }
  }
}

// Weights of ones and a smoothing of 0 have the bits of none.
TEST_P(CrossEntropyTest, WeightsOfOnesChangeNothing) {
  constexpr int64_t kRows = 9, kClasses = 37;
  Buffer logits(device_, NAMP_FLOAT32, uniform_values(kRows * kClasses, 3, -8, 8));
  Buffer labels(device_, NAMP_INT32, {0, 5, 36, -100, 7, 40, 1, 2, 3});
  Buffer ones(device_, NAMP_FLOAT32, std::vector<double>(kClasses, 1.0));
  Buffer expected(device_, NAMP_FLOAT32, kRows * kClasses);
  Buffer gradient(device_, NAMP_FLOAT32, kRows * kClasses);
  auto args = make_args<namp_cross_entropy_args>();
  args.logits_dtype = args.gradient_dtype = NAMP_FLOAT32;
  args.logits = logits.data();
  args.labels = labels.ints();
  args.rows = kRows;
  args.classes = kClasses;
  args.ignore_index = -100;
  args.mean = 1;
  args.gradient = expected.data();
  // The row whose label is no class counts as a row, and has no class's weight.
  labels.set(5, -100);
  ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  args.class_weights = ones.floats();
  args.gradient = gradient.data();
  ASSERT_EQ(namp_cross_entropy(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(gradient.bytes(), expected.bytes());
}

TEST_P(CrossEntropyTest, RowsWithoutWeight) {
  Buffer logits(device_, NAMP_FLOAT32, {1, 2, 3, 4, 5, 6});
  Buffer labels(device_, NAMP_INT32, {1, -100});
  Buffer weights(device_, NAMP_FLOAT32, {1, 0, 2});
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
  args.class_weights = weights.floats();
  run_everywhere([&] { return namp_cross_entropy(device_, &args, nullptr); }, {&gradient, &loss});
  EXPECT_TRUE(std::isnan(loss[0]));
  for (int64_t i = 0; i < 6; ++i)
    EXPECT_EQ(gradient[i], 0.0);
}

TEST_P(CrossEntropyTest, RefusesBadWeightsAndSmoothing) {
  Buffer logits(device_, NAMP_FLOAT32, {1, 2, 3});
  Buffer labels(device_, NAMP_INT32, 1);
  Buffer weights(device_, NAMP_FLOAT32, {1, 1, 1, 1});
  Buffer gradient(device_, NAMP_FLOAT32, 3);
  auto args = make_args<namp_cross_entropy_args>();
  args.logits_dtype = args.gradient_dtype = NAMP_FLOAT32;
  args.logits = logits.data();
  args.labels = labels.ints();
  args.rows = 1;
  args.classes = 3;
  args.gradient = gradient.data();
  for (const float smoothing : {-0.1f, 1.01f, std::numeric_limits<float>::infinity(),
                                std::numeric_limits<float>::quiet_NaN()}) {
    args.label_smoothing = smoothing;
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_cross_entropy(device_, &args, nullptr),
                   {&gradient});
  }
  args.label_smoothing = 0;
  args.class_weights = reinterpret_cast<const float*>(weights.as<char>() + 1);
  expect_refused(NAMP_ERROR_MISALIGNED, namp_cross_entropy(device_, &args, nullptr), {&gradient});
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

// The other element-wise losses: kind and its number, the loss of an element, and its slopes.
struct ElementLoss {
  int32_t kind;
  float beta;
  double (*loss)(double x, double t, double w, double beta);
  double (*slope)(double x, double t, double w, double beta);
  double (*target_slope)(double x, double t, double w, double beta);
};

double smooth(double x, double t, double, double beta) {
  const double d = std::fabs(x - t);
  return d < beta ? d * d / (2 * beta) : d - beta / 2;
}
double smooth_slope(double x, double t, double, double beta) {
  const double d = x - t;
  if (std::fabs(d) < beta) return d / beta;
  return d > 0 ? 1.0 : d < 0 ? -1.0 : 0.0;
}
double softplus(double x) { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

const ElementLoss kElementLosses[] = {
    {NAMP_LOSS_MSE, 0, [](double x, double t, double, double) { return (x - t) * (x - t); },
     [](double x, double t, double, double) { return 2 * (x - t); },
     [](double x, double t, double, double) { return 2 * (t - x); }},
    {NAMP_LOSS_SMOOTH_L1, 0, smooth, smooth_slope,
     [](double x, double t, double w, double b) { return -smooth_slope(x, t, w, b); }},
    {NAMP_LOSS_SMOOTH_L1, 0.75f, smooth, smooth_slope,
     [](double x, double t, double w, double b) { return -smooth_slope(x, t, w, b); }},
    {NAMP_LOSS_BINARY_CROSS_ENTROPY, 0,
     [](double x, double t, double w, double) {
       return w * t * softplus(-x) + (1 - t) * softplus(x);
     },
     [](double x, double t, double w, double) {
       return (1 - t) / (1 + std::exp(-x)) - w * t / (1 + std::exp(x));
     },
     [](double x, double, double w, double) { return w * softplus(-x) - softplus(x); }},
};

class ElementLossTest : public BackendTest {};

TEST_P(ElementLossTest, EveryKindLengthAndDtype) {
  Value<float> scale(device_, 32.0f);
  for (const ElementLoss& one : kElementLosses) {
    const bool binary = one.kind == NAMP_LOSS_BINARY_CROSS_ENTROPY;
    for (const int64_t n : {0, 1, 3, 16, 67, 2050, 17001}) {
      for (const int32_t dtype : kFloats) {
        for (const bool for_target : {false, true}) {
          const bool weighs = binary && n % 2 != 0;
          const int64_t period = n % 3 == 0 ? std::max<int64_t>(n / 3, 1) : std::max<int64_t>(n, 1);
          SCOPED_TRACE(testing::Message() << "kind " << one.kind << ", " << n << " of dtype "
                                          << dtype << ", of the target " << for_target);
          Buffer x(device_, dtype, uniform_values(n, 1, -4, 4), n % 4);
          Buffer t(device_, n % 2 != 0 ? int32_t{NAMP_FLOAT32} : dtype,
                   uniform_values(n, 2, binary ? 0 : -4, binary ? 1 : 4), 1);
          Buffer weights(device_, NAMP_FLOAT32, uniform_values(period, 3, 0.5, 4), 1);
          Buffer gradient(device_, dtype, n, 3);
          Buffer loss(device_, NAMP_FLOAT32, 1);
          auto args = make_args<namp_element_loss_args>();
          args.kind = one.kind;
          args.prediction_dtype = args.gradient_dtype = dtype;
          args.target_dtype = t.dtype();
          args.prediction = x.data();
          args.target = t.data();
          args.count = n;
          args.mean = for_target ? 0 : 1;
          args.loss = loss.floats();
          args.gradient = gradient.data();
          args.for_target = for_target ? 1 : 0;
          args.beta = one.beta;
          args.positive_weight = weighs ? weights.floats() : nullptr;
          args.weight_period = weighs ? period : 0;
          args.scale = scale.data();
          run_everywhere([&] { return namp_element_loss(device_, &args, nullptr); },
                         {&gradient, &loss});
          double total = 0;
          const double divisor = for_target ? 1.0 : static_cast<double>(n);
          for (int64_t i = 0; i < n; ++i) {
            const double w = weighs ? weights[i % period] : 1.0;
            total += one.loss(x[i], t[i], w, double{one.beta});
            const double g =
                (for_target ? one.target_slope : one.slope)(x[i], t[i], w, double{one.beta}) * 32 /
                divisor;
            ASSERT_NEAR(gradient[i], g, unit_of(dtype) * std::fabs(g) + 1e-6 * 32 / divisor + 6e-8)
                << i;
          }
          if (n == 0 && !for_target) {
            ASSERT_TRUE(std::isnan(loss[0]));
          } else {
            ASSERT_NEAR(loss[0], total / divisor, 1e-5 * total / divisor + 1e-7);
          }
        }
      }
    }
  }
}

// Far logits: nothing overflows, and small losses and slopes keep their digits.
TEST_P(ElementLossTest, FarLogits) {
  const std::vector<double> logits{-100, -30, -17, 17, 30, 100};
  for (const double target : {0.0, 1.0}) {
    for (size_t i = 0; i < logits.size(); ++i) {
      Buffer x(device_, NAMP_FLOAT32, std::vector<double>{logits[i]});
      Buffer t(device_, NAMP_FLOAT32, std::vector<double>{target});
      Buffer gradient(device_, NAMP_FLOAT32, 1);
      Buffer loss(device_, NAMP_FLOAT32, 1);
      auto args = make_args<namp_element_loss_args>();
      args.kind = NAMP_LOSS_BINARY_CROSS_ENTROPY;
      args.prediction_dtype = args.target_dtype = args.gradient_dtype = NAMP_FLOAT32;
      args.prediction = x.data();
      args.target = t.data();
      args.count = 1;
      args.loss = loss.floats();
      args.gradient = gradient.data();
      run_everywhere([&] { return namp_element_loss(device_, &args, nullptr); },
                     {&gradient, &loss});
      const ElementLoss& one = kElementLosses[3];
      const double expected = one.loss(logits[i], target, 1, 0);
      const double slope = one.slope(logits[i], target, 1, 0);
      // At 100 they are subnormal numbers.
      EXPECT_NEAR(loss[0], expected, 1e-6 * expected + 0x1p-149) << logits[i];
      EXPECT_NEAR(gradient[0], slope, 1e-6 * std::fabs(slope) + 0x1p-149) << logits[i];
    }
  }
}

// The bits of the older function.
TEST_P(ElementLossTest, SquaredErrorIsTheOneOfNampMse) {
  Buffer x(device_, NAMP_FLOAT16, uniform_values(20000, 1, -2, 2));
  Buffer t(device_, NAMP_FLOAT32, uniform_values(20000, 2, -2, 2));
  Buffer first(device_, NAMP_FLOAT16, 20000), second(device_, NAMP_FLOAT16, 20000);
  Buffer first_loss(device_, NAMP_FLOAT32, 1), second_loss(device_, NAMP_FLOAT32, 1);
  auto mse = make_args<namp_mse_args>();
  mse.prediction_dtype = mse.gradient_dtype = NAMP_FLOAT16;
  mse.target_dtype = NAMP_FLOAT32;
  mse.prediction = x.data();
  mse.target = t.data();
  mse.count = x.size();
  mse.mean = 1;
  mse.loss = first_loss.floats();
  mse.gradient = first.data();
  ASSERT_EQ(namp_mse(device_, &mse, nullptr), NAMP_OK) << namp_last_error_message();
  auto args = make_args<namp_element_loss_args>();
  args.kind = NAMP_LOSS_MSE;
  args.prediction_dtype = args.gradient_dtype = NAMP_FLOAT16;
  args.target_dtype = NAMP_FLOAT32;
  args.prediction = x.data();
  args.target = t.data();
  args.count = x.size();
  args.mean = 1;
  args.loss = second_loss.floats();
  args.gradient = second.data();
  ASSERT_EQ(namp_element_loss(device_, &args, nullptr), NAMP_OK) << namp_last_error_message();
  EXPECT_EQ(first.bytes(), second.bytes());
  EXPECT_EQ(first_loss.bits(0), second_loss.bits(0));
}

TEST_P(ElementLossTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  auto good = make_args<namp_element_loss_args>();
  good.kind = NAMP_LOSS_BINARY_CROSS_ENTROPY;
  good.prediction_dtype = good.target_dtype = good.gradient_dtype = NAMP_FLOAT32;
  good.prediction = data.floats();
  good.target = data.floats() + 8;
  good.count = 6;
  good.gradient = data.floats() + 16;
  good.positive_weight = data.floats() + 24;
  good.weight_period = 3;
  using Args = namp_element_loss_args;
  const auto refused = [&](auto change, int32_t status = NAMP_ERROR_INVALID_ARGUMENT) {
    Args args = good;
    change(args);
    expect_refused(status, namp_element_loss(device_, &args, nullptr), {&data});
  };
  refused([](Args& a) { a.struct_size = 1; });
  refused([](Args& a) { a.kind = 0; });
  refused([](Args& a) { a.kind = 4; });
  refused([](Args& a) { a.prediction_dtype = NAMP_INT32; });
  refused([](Args& a) { a.target_dtype = NAMP_FLOAT8_E5M2; });
  refused([](Args& a) { a.gradient_dtype = 0; });
  refused([](Args& a) { a.count = -1; });
  refused([](Args& a) { a.mean = 2; });
  refused([](Args& a) { a.for_target = -1; });
  refused([](Args& a) { a.weight_period = 4; });
  refused([](Args& a) { a.weight_period = 0; });
  refused([](Args& a) { a.kind = NAMP_LOSS_MSE; });
  for (const float beta :
       {-1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    refused([beta](Args& a) {
      a.kind = NAMP_LOSS_SMOOTH_L1;
      a.positive_weight = nullptr;
      a.beta = beta;
    });
  }
  refused([](Args& a) { a.target = nullptr; });
  refused([](Args& a) { a.target = static_cast<const char*>(a.target) + 2; },
          NAMP_ERROR_MISALIGNED);
}

NAMP_ON_EVERY_DEVICE(ElementLossTest);
NAMP_ON_EVERY_DEVICE(CrossEntropyTest);
NAMP_ON_EVERY_DEVICE(MeanSquaredErrorTest);

}  // namespace
}  // namespace namp_test
