// Values as integer codes, by a scale for each row or one that is known before, against nativeamp.h's
// definition.
#include "integer_codes.h"

namespace namp_test {
namespace {

constexpr float kTiny = 1e-45F;  // the smallest subnormal number

class RowCodesTest : public IntegerTest {
 protected:
  // A row's codes and scale, as nativeamp.h defines them.
  void check_rows(int64_t rows, int64_t width, int32_t dtype, const std::vector<double>& values,
                  int64_t shift) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(width) + ", dtype " +
                 std::to_string(dtype));
    Buffer input(device_, dtype, values, shift);
    Buffer made(device_, NAMP_UINT8, rows * width, shift);
    Buffer scales(device_, NAMP_FLOAT32, rows, shift);
    Buffer output(device_, dtype, rows * width, shift);
    auto args = make_args<namp_row_codes_args>();
    args.dtype = dtype;
    args.rows = rows;
    args.width = width;
    args.input = input.data();
    args.codes = made.as<int8_t>();
    args.scales = scales.floats();
    args.output = output.data();
    run_targets([&] { return namp_quantize_rows(device_, &args, nullptr); }, {&made, &scales});
    run_targets([&] { return namp_dequantize_rows(device_, &args, nullptr); }, {&output});
    const std::vector<uint8_t> bytes = made.bytes();
    for (int64_t r = 0; r < rows; ++r) {
      double largest = 0;
      bool finite = true;
      for (int64_t i = 0; i < width; ++i) {
        finite = finite && std::isfinite(input[r * width + i]);
        largest = std::max(largest, std::abs(input[r * width + i]));
      }
      const float scale = static_cast<float>(largest) / 127.0F;
      if (!finite) {
        ASSERT_EQ(scales.bits(r), 0x7fc00000u);
      } else {
        ASSERT_EQ(scales[r], static_cast<double>(scale));
      }
      for (int64_t i = 0; i < width; ++i) {
        double level = 0;
        if (finite && scale > 0) {
          const float over = static_cast<float>(input[r * width + i]) / scale;
          level = std::clamp(std::nearbyint(static_cast<double>(over)), -127.0, 127.0);
        }
        ASSERT_EQ(code_of(bytes, r * width + i), level) << "row " << r << ", column " << i;
        const double value = rounded(static_cast<double>(static_cast<float>(level) * scale), dtype);
        if (finite) {
          ASSERT_EQ(output[r * width + i], value) << "row " << r << ", column " << i;
        } else {
          ASSERT_TRUE(std::isnan(output[r * width + i]));
        }
      }
    }
  }

  void check_codes(int32_t dtype, const std::vector<double>& values, float scale, int zero_point,
                   int64_t shift) {
    SCOPED_TRACE("dtype " + std::to_string(dtype) + ", scale " + std::to_string(scale) +
                 ", zero point " + std::to_string(zero_point));
    const auto count = static_cast<int64_t>(values.size());
    Buffer input(device_, dtype, values, shift);
    Buffer made(device_, NAMP_UINT8, count, shift);
    auto args = make_args<namp_tensor_codes_args>();
    args.dtype = dtype;
    args.count = count;
    args.input = input.data();
    args.codes = made.as<int8_t>();
    args.scale = scale;
    args.zero_point = zero_point;
    run_targets([&] { return namp_quantize_tensor(device_, &args, nullptr); }, {&made});
    const std::vector<uint8_t> bytes = made.bytes();
    for (int64_t i = 0; i < count; ++i) {
      const float level = static_cast<float>(input[i]) / scale;
      const double code =
          std::isnan(level)
              ? zero_point
              : std::clamp(std::nearbyint(static_cast<double>(level)) + zero_point, -128.0, 127.0);
      ASSERT_EQ(code_of(bytes, i), code) << "value " << input[i];
    }
  }
};

TEST_P(RowCodesTest, RowsOfEveryWidth) {
  for (int32_t dtype : kFloats) {
    for (int64_t width : every(1, 67))
      check_rows(3, width, dtype, random_values(3 * width, 1), width % 3);
  }
  check_rows(0, 5, NAMP_FLOAT32, {}, 0);
  check_rows(70, 1000, NAMP_FLOAT32, random_values(70000, 2), 1);
  check_rows(3, 2501, NAMP_BFLOAT16, random_values(7503, 3), 0);  // a GPU reads it twice
}

TEST_P(RowCodesTest, HostileRows) {
  const double tiny = static_cast<double>(kTiny);
  const double largest = static_cast<double>(std::numeric_limits<float>::max());
  check_rows(8, 3, NAMP_FLOAT32,
             {0,          -0.0,        0,     // zeros
              kNaN,       1,           2,     // not finite
              1,          -kInfinity,  kNaN,  //
              tiny,       -tiny,       0,     // a scale of zero
              190 * tiny, -190 * tiny, tiny,  // a scale of one unit, where levels pass 127
              largest,    -largest,    1,     //
              127,        0.5,         -1.5,  // ties
              -127,       2.5,         126.5},
             1);
}

TEST_P(RowCodesTest, ValuesOfEveryCount) {
  for (int64_t count : every(0, 67))
    check_codes(kFloats[count % 3], random_values(count, 1), 0.011F, kZeroPoints[count % 5],
                count % 3);
  check_codes(NAMP_FLOAT32, random_values(70000, 2), 0.003F, -128, 1);
}

// Values around the middle of two codes, where a quotient that is not rounded right takes the other
// one: all of a row, and one among others.
TEST_P(RowCodesTest, ValuesBetweenCodes) {
  for (float scale : {0.011F, 0.1F, 3.0F, 1.17e-38F, 7e-31F, 6e-31F, 1e30F, 1.4e30F, 1e36F}) {
    std::vector<double> values;
    for (int code = -260; code <= 260; ++code) {
      const auto middle = static_cast<float>((code + 0.5) * static_cast<double>(scale));
      for (const float infinity : {-HUGE_VALF, HUGE_VALF}) {
        float x = middle;
        for (int step = 0; step < 3; ++step, x = std::nextafter(x, infinity))
          values.push_back(static_cast<double>(x));
      }
    }
    check_codes(NAMP_FLOAT32, values, scale, 5, 1);
    std::vector<double> few(values.size(), static_cast<double>(scale));
    for (size_t i = 0; i < few.size(); i += 97)
      few[i] = values[i];
    few[few.size() / 2] = kNaN;
    check_codes(NAMP_FLOAT32, few, scale, -37, 0);
    // Rows whose scale is nearly this one.
    const double most = 127 * static_cast<double>(scale);
    for (double& x : values)
      x = std::clamp(x, -most, most);
    check_rows(2, static_cast<int64_t>(values.size()) / 2, NAMP_FLOAT32, values, 1);
  }
}

TEST_P(RowCodesTest, HostileValues) {
  const double tiny = 1e-45;
  for (int zero_point : kZeroPoints) {
    for (float scale : {1.0F, 1e-45F, 3.4e38F}) {
      check_codes(NAMP_FLOAT32,
                  {0,      -0.0,  kNaN,  -kNaN,  kInfinity, -kInfinity, tiny,     -tiny,     3e38,
                   -3e38,  0.5,   1.5,   -0.5,   -1.5,      2.5,        126.5,    127.5,     -127.5,
                   -128.5, 254.5, 255.5, -254.5, -255.5,    8388609,    -8388609, 0.49999997},
                  scale, zero_point, 1);
    }
  }
}

NAMP_ON_EVERY_DEVICE(RowCodesTest);

}  // namespace
}  // namespace namp_test
