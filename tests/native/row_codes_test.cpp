// Values as integer codes, by a scale for each row or one that is known before, against nativeamp.h's
// definition.
#include "integer_codes.h"

namespace namp_test {
namespace {

constexpr float kTiny = 1e-45F;  // the smallest subnormal number

class RowCodesTest : public IntegerTest {
 protected:
  // The codes of rows, or of groups of their columns, and the scales, as nativeamp.h defines them.
  void check_rows(int64_t rows, int64_t width, int32_t dtype, const std::vector<double>& values,
                  int64_t shift, int64_t group = 0) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(width) + ", dtype " +
                 std::to_string(dtype) + ", group " + std::to_string(group));
    const int64_t groups = group == 0 ? 1 : 1 + (width - 1) / group;
    Buffer input(device_, dtype, values, shift);
    Buffer made(device_, NAMP_UINT8, rows * width, shift);
    Buffer scales(device_, NAMP_FLOAT32, rows * groups, shift);
    Buffer output(device_, dtype, rows * width, shift);
    auto args = make_args<namp_row_codes_args>();
    args.dtype = dtype;
    args.rows = rows;
    args.width = width;
    args.input = input.data();
    args.codes = made.as<int8_t>();
    args.scales = scales.floats();
    args.output = output.data();
    args.group = group;
    run_targets([&] { return namp_quantize_rows(device_, &args, nullptr); }, {&made, &scales});
    run_targets([&] { return namp_dequantize_rows(device_, &args, nullptr); }, {&output});
    const std::vector<uint8_t> bytes = made.bytes();
    for (int64_t part = 0; part < rows * groups; ++part) {
      const int64_t begin = part / groups * width + part % groups * group;
      const int64_t last = part / groups * width + width;
      const int64_t end = group == 0 || last - begin < group ? last : begin + group;
      double largest = 0;
      bool finite = true;
      for (int64_t i = begin; i < end; ++i) {
        finite = finite && std::isfinite(input[i]);
        largest = std::max(largest, std::abs(input[i]));
      }
      const float scale = static_cast<float>(largest) / 127.0F;
      if (!finite) {
        ASSERT_EQ(scales.bits(part), 0x7fc00000u);
      } else {
        ASSERT_EQ(scales[part], static_cast<double>(scale));
      }
      for (int64_t i = begin; i < end; ++i) {
        double level = 0;
        if (finite && scale > 0) {
          const float over = static_cast<float>(input[i]) / scale;
          level = std::clamp(std::nearbyint(static_cast<double>(over)), -127.0, 127.0);
        }
        ASSERT_EQ(code_of(bytes, i), level) << "group " << part << ", element " << i;
        const double value = rounded(static_cast<double>(static_cast<float>(level) * scale), dtype);
        if (finite) {
          ASSERT_EQ(output[i], value) << "group " << part << ", element " << i;
        } else {
          ASSERT_TRUE(std::isnan(output[i]));
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

TEST_P(RowCodesTest, GroupsOfEveryWidth) {
  for (int64_t group : {1, 3, 32, 64, 256, 1500}) {
    for (int64_t width : {int64_t{1}, group, group + 1, 2 * group + 5})
      check_rows(3, width, kFloats[group % 3], random_values(3 * width, 1), width % 3, group);
  }
  check_rows(2, 7, NAMP_FLOAT32, random_values(14, 1), 0, int64_t{1} << 58);
  check_rows(9, 2048, NAMP_FLOAT32, random_values(9 * 2048, 4), 0, 64);
  check_rows(2, 4, NAMP_FLOAT32, {kNaN, 1, 2, 3, 0, 0, -5, kInfinity}, 0, 2);
}

TEST_P(RowCodesTest, RefusesANegativeGroup) {
  Buffer made(device_, NAMP_UINT8, 4, 0);
  const Buffer input(device_, NAMP_FLOAT32, random_values(4, 1));
  Buffer scales(device_, NAMP_FLOAT32, 4);
  auto args = make_args<namp_row_codes_args>();
  args.dtype = NAMP_FLOAT32;
  args.rows = 1;
  args.width = 4;
  args.input = input.data();
  args.codes = made.as<int8_t>();
  args.scales = scales.floats();
  args.group = -2;
  expect_refused(NAMP_ERROR_INVALID_ARGUMENT, namp_quantize_rows(device_, &args, nullptr),
                 {&made, &scales});
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
