// Family 2 against plain loops in double.
#include "support.h"

namespace test {
namespace {

TEST(CrossEntropy, AgainstDoubleOnEveryDtypeAndTarget) {
  Device device;
  const float scale = 256.0f, upstream = 0.5f;
  for (int64_t classes : {1, 2, 3, 7, 10, 16, 17, 33, 67, 1000}) {
    for (int32_t dtype : kDtypes) {
      for (int32_t mean : {0, 1}) {
        std::vector<unsigned char> bytes;
        float first_loss = 0;
        const int64_t rows = classes == 10 ? 5000 : 13;
        Buffer logits(rows * classes, dtype, 1);
        logits.fill_random(static_cast<uint32_t>(classes), -8, 8);
        std::vector<int32_t> labels;
        std::mt19937 engine(5);
        for (int64_t row = 0; row < rows; ++row) {
          labels.push_back(row % 5 == 4 ? -100 : static_cast<int32_t>(engine() % classes));
        }
        for (int32_t target : device.targets()) {
          for (int32_t threads : {1, 2, 3, 8}) {
            device.use(target, threads);
            Buffer gradient(rows * classes, dtype, 3);
            float loss = -1;
            namp_cross_entropy_args args{};
            args.struct_size = sizeof(args);
            args.logits_dtype = args.gradient_dtype = dtype;
            args.logits = logits.data();
            args.labels = labels.data();
            args.rows = rows;
            args.classes = classes;
            args.ignore_index = -100;
            args.mean = mean;
            args.loss = &loss;
            args.gradient = gradient.data();
            args.scale = &scale;
            args.upstream = &upstream;
            ASSERT_EQ(namp_cross_entropy(device, &args, nullptr), NAMP_OK);
            ASSERT_TRUE(gradient.intact());
            if (!bytes.empty()) {
              ASSERT_EQ(bytes, gradient.bytes()) << "target " << target << " threads " << threads;
              ASSERT_EQ(float_bits(loss), float_bits(first_loss));
              continue;
            }
            bytes = gradient.bytes();
            first_loss = loss;
            double total = 0;
            int64_t counted = 0;
            for (int64_t row = 0; row < rows; ++row)
              counted += labels[row] != -100;
            for (int64_t row = 0; row < rows; ++row) {
              double sum = 0;
              for (int64_t c = 0; c < classes; ++c)
                sum += std::exp(logits.get(row * classes + c));
              const int32_t label = labels[static_cast<size_t>(row)];
              if (label != -100) total += std::log(sum) - logits.get(row * classes + label);
              for (int64_t c = 0; c < classes; ++c) {
                double g = std::exp(logits.get(row * classes + c)) / sum - (c == label ? 1 : 0);
                g *= label == -100 ? 0 : 128.0 / static_cast<double>(mean != 0 ? counted : 1);
                const double unit = dtype == NAMP_FLOAT32   ? 1e-6
                                    : dtype == NAMP_FLOAT16 ? 6e-4
                                                            : 5e-3;
                ASSERT_NEAR(gradient.get(row * classes + c), g, unit * std::fabs(g) + 3e-5);
              }
            }
            if (mean != 0) total /= static_cast<double>(counted);
            ASSERT_NEAR(loss, total, 1e-5 * std::fabs(total) + 1e-6);
          }
        }
      }
    }
  }
}

TEST(CrossEntropy, LabelsThatAreNone) {
  Device device;
  for (int32_t target : device.targets()) {
    device.use(target, 1);
    const float logits[] = {1, 2, 3, 4, 5, 6};
    int32_t labels[] = {3, -100};
    float gradient[6], loss = 0;
    namp_cross_entropy_args args{};
    args.struct_size = sizeof(args);
    args.logits_dtype = args.gradient_dtype = NAMP_FLOAT32;
    args.logits = logits;
    args.labels = labels;
    args.rows = 2;
    args.classes = 3;
    args.ignore_index = -100;
    args.mean = 1;
    args.loss = &loss;
    args.gradient = gradient;
    ASSERT_EQ(namp_cross_entropy(device, &args, nullptr), NAMP_OK);
    EXPECT_TRUE(std::isnan(loss));
    for (int i = 0; i < 3; ++i)
      EXPECT_TRUE(std::isnan(gradient[i]));
    for (int i = 3; i < 6; ++i)
      EXPECT_EQ(gradient[i], 0.0f);
    labels[0] = -100;
    loss = 0;
    ASSERT_EQ(namp_cross_entropy(device, &args, nullptr), NAMP_OK);
    EXPECT_TRUE(std::isnan(loss));
    for (float g : gradient)
      EXPECT_EQ(g, 0.0f);
    args.mean = 0;
    ASSERT_EQ(namp_cross_entropy(device, &args, nullptr), NAMP_OK);
    EXPECT_EQ(loss, 0.0f);
  }
}

TEST(MeanSquaredError, EveryLengthAlignmentAndDtype) {
  Device device;
  const float scale = 32.0f;
  for (int64_t n : lengths()) {
    for (int32_t dtype : kDtypes) {
      for (int32_t target_dtype : {static_cast<int32_t>(NAMP_FLOAT32), dtype}) {
        Buffer prediction(n, dtype, n % 4), target(n, target_dtype, 1);
        prediction.fill_random(1, -2, 2);
        target.fill_random(2, -2, 2);
        std::vector<unsigned char> bytes;
        float first_loss = 0;
        for (int32_t simd : device.targets()) {
          for (int32_t threads : {1, 3}) {
            device.use(simd, threads);
            Buffer gradient(n, dtype, 3);
            float loss = -1;
            namp_mse_args args{};
            args.struct_size = sizeof(args);
            args.prediction_dtype = args.gradient_dtype = dtype;
            args.target_dtype = target_dtype;
            args.prediction = prediction.data();
            args.target = target.data();
            args.mean = 1;
            args.count = n;
            args.loss = &loss;
            args.gradient = gradient.data();
            args.scale = &scale;
            ASSERT_EQ(namp_mse(device, &args, nullptr), NAMP_OK);
            ASSERT_TRUE(gradient.intact());
            if (n == 0) {
              ASSERT_TRUE(std::isnan(loss));
              continue;
            }
            if (!bytes.empty()) {
              ASSERT_EQ(bytes, gradient.bytes());
              ASSERT_EQ(float_bits(loss), float_bits(first_loss));
              continue;
            }
            bytes = gradient.bytes();
            first_loss = loss;
            double sum = 0;
            for (int64_t i = 0; i < n; ++i) {
              const double d = prediction.get(i) - target.get(i);
              sum += d * d;
              const double g = 2 * d * 32 / static_cast<double>(n);
              const double unit = dtype == NAMP_FLOAT32   ? 1e-6
                                  : dtype == NAMP_FLOAT16 ? 6e-4
                                                          : 5e-3;
              ASSERT_NEAR(gradient.get(i), g, unit * std::fabs(g) + 1e-7);
            }
            ASSERT_NEAR(loss, sum / static_cast<double>(n), 1e-5 * sum / static_cast<double>(n));
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace test
