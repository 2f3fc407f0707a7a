// Codes of 8 bits in blocks against the published construction of their numbers, in double.
#include "state_buffer.h"
#include "two_devices.h"

namespace namp_test {
namespace {

constexpr int32_t kCodes[] = {NAMP_INT8_DYNAMIC, NAMP_UINT8_DYNAMIC, NAMP_INT8_LINEAR,
                              NAMP_UINT8_LINEAR};

bool is_signed(int32_t dtype) { return dtype == NAMP_INT8_DYNAMIC || dtype == NAMP_INT8_LINEAR; }

// The numbers of a dtype's codes. The dynamic ones as bitsandbytes' create_dynamic_map has them: in
// decade i the middles of equal parts of 0.1 to 1, times 10^(i - 6); 0; and 1.
std::vector<double> numbers_of(int32_t dtype) {
  std::vector<double> numbers;
  const bool with_sign = is_signed(dtype);
  if (dtype == NAMP_INT8_LINEAR || dtype == NAMP_UINT8_LINEAR) {
    for (int code = 0; code < 256; ++code)
      numbers.push_back(with_sign ? (code - 127) / 127.0 : code / 255.0);
    return numbers;
  }
  for (int i = 0; i < 7; ++i) {
    const int parts = 1 << (with_sign ? i : i + 1);
    for (int k = 0; k < parts; ++k) {
      const double left = 0.1 + 0.9 * k / parts;
      const double right = 0.1 + 0.9 * (k + 1) / parts;
      const double number = std::pow(10.0, i - 6) * (left + right) / 2;
      numbers.push_back(number);
      if (with_sign) numbers.push_back(-number);
    }
  }
  numbers.push_back(0.0);
  numbers.push_back(1.0);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// The scale that a block must have, in the words of the header.
double scale_of(const std::vector<double>& values, int32_t dtype) {
  double scale = 0;
  for (double x : values) {
    if (!std::isfinite(x)) return kNaN;
    if (!is_signed(dtype)) x = std::max(x, 0.0);
    if (std::fabs(x) > std::fabs(scale) || (std::fabs(x) == std::fabs(scale) && x > 0)) scale = x;
  }
  if (dtype != NAMP_INT8_DYNAMIC) scale = std::fabs(scale);
  return std::fabs(scale) < 0x1p-126 ? 0 : scale;
}

// Values of every magnitude that matters in a block.
std::vector<double> spread_values(int64_t count, uint32_t seed, bool with_sign) {
  std::vector<double> values = uniform_values(count, seed, -8, 1);
  const std::vector<double> signs = uniform_values(count, seed + 1, -1, 1);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = std::pow(10.0, values[i]);
    if (with_sign && signs[i] < 0) values[i] = -values[i];
    if (i % 17 == 3) values[i] = 0;
  }
  return values;
}

class BlockCodeTest : public BackendTest {
 protected:
  int32_t encode_codes(const Buffer& values, const Buffer& codes, const Buffer& scales,
                       int32_t dtype) {
    return cast(device_, cell(codes.data(), dtype, scales.floats()), values.cell(), values.size());
  }
  int32_t decode_codes(const Buffer& values, const Buffer& codes, const Buffer& scales,
                       int32_t dtype) {
    return cast(device_, values.cell(), cell(codes.data(), dtype, scales.floats()), values.size());
  }
};

TEST_P(BlockCodeTest, EveryCodeHasThePublishedNumber) {
  for (int32_t dtype : kCodes) {
    const std::vector<double> numbers = numbers_of(dtype);
    ASSERT_EQ(numbers.size(), 256u);
    for (double scale : {1.0, -3.5, 0x1p-100}) {
      Buffer codes(device_, NAMP_UINT8, kBlock);
      for (int code = 0; code < 256; ++code)
        codes.set_bits(code, static_cast<uint32_t>(code));
      Buffer scales(device_, NAMP_FLOAT32, std::vector<double>{scale});
      Buffer values(device_, NAMP_FLOAT32, kBlock, 1);
      run_everywhere([&] { return decode_codes(values, codes, scales, dtype); }, {&values});
      for (int code = 0; code < 256; ++code) {
        const double exact = numbers[static_cast<size_t>(code)] * scale;
        // INT8_LINEAR's last code is beyond 1; no value has it.
        ASSERT_NEAR(values[code], exact, 3e-7 * std::fabs(exact)) << dtype << ", code " << code;
      }
    }
  }
}

TEST_P(BlockCodeTest, EveryValueHasTheNearestCode) {
  for (int32_t dtype : kCodes) {
    const std::vector<double> numbers = numbers_of(dtype);
    for (int64_t n : {int64_t{1}, int64_t{255}, int64_t{256}, int64_t{257}, kChunk + 300}) {
      Buffer values(device_, NAMP_FLOAT32, spread_values(n, 5, is_signed(dtype)), 3);
      const int64_t blocks = (n + kBlock - 1) / kBlock;
      Buffer codes(device_, NAMP_UINT8, n, 5);
      Buffer scales(device_, NAMP_FLOAT32, blocks, 1);
      run_everywhere([&] { return encode_codes(values, codes, scales, dtype); }, {&codes, &scales});
      for (int64_t block = 0; block < blocks; ++block) {
        const int64_t begin = block * kBlock;
        const int64_t end = std::min(n, begin + kBlock);
        const std::vector<double> of_block(values.values().begin() + begin,
                                           values.values().begin() + end);
        const double scale = scale_of(of_block, dtype);
        ASSERT_EQ(scales[block], scale) << dtype << ", block " << block;
        for (int64_t i = begin; i < end; ++i) {
          const double x = values[i] / scale;
          double nearest = kInfinity;
          for (size_t code = 0; code < 256; ++code) {
            if (dtype == NAMP_INT8_LINEAR && code == 255) continue;
            if (!is_signed(dtype) && x > 0 && numbers[code] == 0) continue;
            nearest = std::min(nearest, std::fabs(numbers[code] - x));
          }
          const double chosen = std::fabs(numbers[codes.bits(i)] - x);
          ASSERT_LE(chosen, nearest + 2e-7 * std::fabs(x)) << dtype << ", " << x;
        }
      }
    }
  }
}

// So that a checkpoint of decoded state goes on where its run was.
TEST_P(BlockCodeTest, EncodingWhatWasDecodedGivesTheSameCodesAndScales) {
  for (int32_t dtype : kCodes) {
    for (double factor : {1.0, 0x1p-115, 0x1p120}) {
      const int64_t n = 3 * kBlock + 11;
      std::vector<double> some = spread_values(n, 9, is_signed(dtype));
      // Nearly as large as the largest, of the other sign.
      some[5] = is_signed(dtype) ? -11.0 : 11.0;
      some[6] = 10.999;
      for (double& x : some)
        x *= factor;
      Buffer values(device_, NAMP_FLOAT32, some);
      Buffer codes(device_, NAMP_UINT8, n), again(device_, NAMP_UINT8, n);
      Buffer scales(device_, NAMP_FLOAT32, 4), scales_again(device_, NAMP_FLOAT32, 4);
      Buffer decoded(device_, NAMP_FLOAT32, n);
      ASSERT_EQ(encode_codes(values, codes, scales, dtype), NAMP_OK) << namp_last_error_message();
      ASSERT_EQ(decode_codes(decoded, codes, scales, dtype), NAMP_OK);
      ASSERT_EQ(encode_codes(decoded, again, scales_again, dtype), NAMP_OK);
      ASSERT_EQ(codes.bytes(), again.bytes()) << dtype << ", " << factor;
      ASSERT_EQ(scales.bytes(), scales_again.bytes()) << dtype << ", " << factor;
    }
  }
}

TEST_P(BlockCodeTest, ABlockThatIsNotFiniteIsNaNAndTheOthersAreNot) {
  for (int32_t dtype : kCodes) {
    for (double bad : {kNaN, -kNaN, kInfinity, -kInfinity}) {
      std::vector<double> some(static_cast<size_t>(3 * kBlock), 0.5);
      some[static_cast<size_t>(kBlock + 7)] = bad;
      Buffer values(device_, NAMP_FLOAT32, some);
      Buffer codes(device_, NAMP_UINT8, 3 * kBlock);
      Buffer scales(device_, NAMP_FLOAT32, 3);
      run_everywhere([&] { return encode_codes(values, codes, scales, dtype); }, {&codes, &scales});
      ASSERT_EQ(decode_codes(values, codes, scales, dtype), NAMP_OK);
      for (int64_t i = 0; i < 3 * kBlock; ++i) {
        if (i / kBlock == 1) {
          ASSERT_TRUE(std::isnan(values[i])) << dtype << " at " << i;
        } else {
          ASSERT_EQ(values[i], 0.5) << dtype << " at " << i;
        }
      }
    }
  }
}

TEST_P(BlockCodeTest, UnsignedMapsHaveZeroForWhatIsBelow) {
  for (int32_t dtype : {NAMP_UINT8_DYNAMIC, NAMP_UINT8_LINEAR}) {
    const int64_t n = 3 * kBlock + 77;
    std::vector<double> some = spread_values(n, 6, true);
    some[kBlock + 5] = -20.0;
    for (int64_t i = 2 * kBlock; i < 3 * kBlock; ++i)
      some[static_cast<size_t>(i)] = -1.0;
    Buffer values(device_, NAMP_FLOAT32, some);
    Buffer codes(device_, NAMP_UINT8, n);
    Buffer scales(device_, NAMP_FLOAT32, 4);
    Buffer decoded(device_, NAMP_FLOAT32, n);
    run_everywhere([&] { return encode_codes(values, codes, scales, dtype); }, {&codes, &scales});
    ASSERT_EQ(decode_codes(decoded, codes, scales, dtype), NAMP_OK);
    for (int64_t i = 0; i < n; ++i) {
      const auto begin = some.begin() + i / kBlock * kBlock;
      const auto end = some.begin() + std::min(n, (i / kBlock + 1) * kBlock);
      ASSERT_EQ(scales[i / kBlock],
                static_cast<float>(std::max(0.0, *std::max_element(begin, end))));
      if (values[i] > 0) {
        ASSERT_GT(decoded[i], 0) << dtype << " at " << i;
      } else {
        ASSERT_EQ(decoded[i], 0) << dtype << " at " << i;
      }
    }
  }
}

TEST_P(BlockCodeTest, WhatIsTooSmallIsZero) {
  for (int32_t dtype : kCodes) {
    Buffer values(device_, NAMP_FLOAT32, std::vector<double>{0, 0x1p-127, 0x1p-149, 0});
    Buffer codes(device_, NAMP_UINT8, 4);
    Buffer scales(device_, NAMP_FLOAT32, 1);
    ASSERT_EQ(encode_codes(values, codes, scales, dtype), NAMP_OK);
    ASSERT_EQ(decode_codes(values, codes, scales, dtype), NAMP_OK);
    for (int i = 0; i < 4; ++i)
      ASSERT_EQ(values[i], 0) << dtype;
  }
}

TEST_P(BlockCodeTest, RefusesOtherDtypesOptionsAndMissingScales) {
  Buffer values(device_, NAMP_FLOAT32, std::vector<double>{1, 2});
  Buffer halves(device_, NAMP_BFLOAT16, std::vector<double>{1, 2});
  Buffer codes(device_, NAMP_UINT8, std::vector<double>{3, 4});
  Buffer scales(device_, NAMP_FLOAT32, std::vector<double>{1});
  const namp_cell there = cell(codes.data(), NAMP_INT8_DYNAMIC, scales.floats());
  const std::vector<Buffer*> outputs{&values, &halves, &codes, &scales};
  const auto refused = [&](const namp_cell& to, const namp_cell& from,
                           const namp_cast_options* options = nullptr) {
    expect_refused(NAMP_ERROR_INVALID_ARGUMENT, cast(device_, to, from, 2, options), outputs);
  };
  refused(there, halves.cell());
  refused(halves.cell(), there);
  refused(there, there);
  refused(cell(codes.data(), NAMP_INT8_DYNAMIC), values.cell());
  refused(values.cell(), cell(codes.data(), NAMP_UINT8_LINEAR));
  namp_cast_options options = make_args<namp_cast_options>();
  options.flags = NAMP_CAST_SATURATE;
  refused(there, values.cell(), &options);
  options.flags = 0;
  options.rounding = NAMP_ROUND_STOCHASTIC;
  refused(there, values.cell(), &options);
  options.rounding = NAMP_ROUND_NEAREST_EVEN;
  options.scale = scales.floats();
  refused(values.cell(), there, &options);
}

NAMP_ON_EVERY_DEVICE(BlockCodeTest);

class BlockCodeDevices : public TwoDevices {};

TEST_F(BlockCodeDevices, GiveTheSameBitsForAnyBits) {
  for (int32_t dtype : kCodes) {
    const int64_t n = 8 * kBlock + 37;
    Twin& any = twin(NAMP_FLOAT32, n, 1).random_bits(7);
    Twin& some = twin(NAMP_FLOAT32, n).set(spread_values(n, 4, is_signed(dtype)));
    for (Twin* values : {&any, &some}) {
      Twin& codes = twin(NAMP_UINT8, n, 3);
      Twin& scales = twin(NAMP_FLOAT32, 9);
      Twin& decoded = twin(NAMP_FLOAT32, n, 2);
      const auto there = [&](bool gpu) {
        return cell(codes.on(gpu).data(), dtype, scales.on(gpu).floats());
      };
      run([&](Device& device, bool gpu) {
        return cast(device, there(gpu), values->on(gpu).cell(), n);
      });
      run([&](Device& device, bool gpu) {
        return cast(device, decoded.on(gpu).cell(), there(gpu), n);
      });
      codes.expect_same_bits("codes");
      scales.expect_same_bits("scales");
      decoded.expect_same_numbers("values");
    }
    forget();
  }
}

}  // namespace
}  // namespace namp_test
