// Family 1 against exact rounding in double.
#include <cstdlib>
#include <memory>

#include "backend_test.h"
#include "cpu/threads.h"

namespace namp_test {
namespace {

// The expected result of casting the bits of an element.
uint32_t expected_cast(uint32_t bits, int32_t from, int32_t to) {
  if (from == to) return bits;
  const double x = decode(bits, from);
  if (!std::isnan(x)) return encode(x, to);
  // Through float32, whose payload holds that of every other type. bfloat16 is its upper half.
  const uint32_t wide = from == NAMP_BFLOAT16 ? bits << 16 : decode_nan(bits, from);
  return encode_nan(wide, to);
}

bool exhaustive() {
  const char* value = std::getenv("NATIVEAMP_EXHAUSTIVE");
  return value != nullptr && std::string(value) == "1";
}

class CastTest : public BackendTest {
 protected:
  namp_cast_options options_ = make_args<namp_cast_options>();
};
class ScaleTest : public BackendTest {};

// The expected casts of count floats with the bits first, first + 1, …, of one sign and one
// exponent. Their codes ascend, so each code is a run. A run ends midway to the next value, at a
// point that is a float and belongs to the even code. The code of an overflow comes after the
// largest code, in place of the next number.
template <class Code>
void expect_run(uint32_t first, int64_t count, int32_t dtype, Code* expected) {
  const Format f = format_of(dtype);
  const uint32_t sign = first >> 31 << (8 * sizeof(Code) - 1);
  uint32_t code = encode(decode(first & 0x7fffffffu, NAMP_FLOAT32), dtype);
  for (int64_t i = 0; i < count; ++code) {
    int64_t end = count;
    if (code != f.overflow) {
      const double midway = (magnitude_of(code, f) + magnitude_of(code + 1, f)) / 2;
      const auto limit = static_cast<int64_t>(float_bits(static_cast<float>(midway)));
      const int64_t last = code % 2 == 0 ? limit : limit - 1;
      end = std::min(count, last - static_cast<int64_t>(first & 0x7fffffffu) + 1);
    }
    for (; i < end; ++i)
      expected[i] = static_cast<Code>(sign | code);
  }
}

// The same, with the results of infinity and NaN.
template <class Code>
void expect_any_run(uint32_t first, int64_t count, int32_t dtype, Code* expected) {
  if ((first & 0x7f800000u) != 0x7f800000u) return expect_run(first, count, dtype, expected);
  for (int64_t i = 0; i < count; ++i) {
    expected[i] =
        static_cast<Code>(expected_cast(first + static_cast<uint32_t>(i), NAMP_FLOAT32, dtype));
  }
}

// All 2^32 of them if NATIVEAMP_EXHAUSTIVE is 1, else one run in 64 (under sanitizers in 2^10, on a
// GPU in 2^13).
TEST_P(CastTest, RoundsEveryFloatExactly) {
  constexpr int64_t kRun = 1 << 16;
  const int64_t runs = device_.is_gpu() ? 1 : 16;
  const int64_t count = runs * kRun;
  const int64_t stride = device_.is_gpu() ? 8191 : exhaustive() ? 1 : is_sanitized() ? 1023 : 63;
  std::vector<uint32_t> bits(static_cast<size_t>(count));
  std::vector<uint8_t> expected(static_cast<size_t>(count) * sizeof(uint16_t));
  Buffer in(device_, NAMP_FLOAT32, count);
  const namp::Threads threads(2);
  for (int32_t dtype : kNarrowFloats) {
    Buffer out(device_, dtype, count);
    const int64_t size = element_size(dtype);
    for (int64_t block = 0; block < (int64_t{1} << 32) / count; block += stride) {
      threads.parallel_for(runs, 1, [&](int64_t run, int64_t) {
        const auto first = static_cast<uint32_t>(block * count + run * kRun);
        uint8_t* const to = expected.data() + run * kRun * size;
        for (int64_t i = 0; i < kRun; ++i)
          bits[static_cast<size_t>(run * kRun + i)] = first + static_cast<uint32_t>(i);
        if (size == 1) {
          expect_any_run(first, kRun, dtype, to);
        } else {
          expect_any_run(first, kRun, dtype, reinterpret_cast<uint16_t*>(to));
        }
      });
      in.set_bytes(bits.data());
      for (const Setting& setting : device_.settings({2})) {
        device_.use(setting);
        ASSERT_EQ(cast(device_, out.cell(), in.cell(), count), NAMP_OK);
        const auto bytes = out.bytes();
        if (std::memcmp(bytes.data(), expected.data(), bytes.size()) == 0) continue;
        for (int64_t i = 0; i < count; ++i) {
          uint32_t code = 0;
          std::memcpy(&code, expected.data() + i * size, static_cast<size_t>(size));
          ASSERT_EQ(out.bits(i), code)
              << "of the bits " << bits[static_cast<size_t>(i)] << ", " << setting;
        }
      }
    }
  }
}

// All values of the significands' first bits, near the border of every exponent: halfway cases and
// the ends of both formats, against rounding one number at a time.
TEST_P(CastTest, RoundsExactlyAroundEveryExponent) {
  constexpr int64_t kPerExponent = 256;
  constexpr int64_t kCount = 512 * kPerExponent;
  Buffer in(device_, NAMP_FLOAT32, kCount);
  for (int64_t i = 0; i < kCount; ++i) {
    const auto border = static_cast<uint32_t>(i / kPerExponent) << 23;
    in.set_bits(i, border + static_cast<uint32_t>(i % kPerExponent) - kPerExponent / 2);
  }
  for (int32_t dtype : kNarrowFloats) {
    Buffer out(device_, dtype, kCount);
    run_everywhere([&] { return cast(device_, out.cell(), in.cell(), kCount); }, {&out});
    for (int64_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(out.bits(i), expected_cast(in.bits(i), NAMP_FLOAT32, dtype))
          << "of the bits " << in.bits(i);
    }
  }
}

TEST_P(CastTest, CastsEveryCodeToEveryDtypeExactly) {
  for (int32_t from : kNarrowFloats) {
    const int64_t codes = int64_t{1} << (8 * element_size(from));
    Buffer in(device_, from, codes);
    for (int64_t i = 0; i < codes; ++i)
      in.set_bits(i, static_cast<uint32_t>(i));
    for (int32_t to : kStoredFloats) {
      Buffer out(device_, to, codes);
      run_everywhere([&] { return cast(device_, out.cell(), in.cell(), codes); }, {&out});
      for (int64_t i = 0; i < codes; ++i) {
        ASSERT_EQ(out.bits(i), expected_cast(static_cast<uint32_t>(i), from, to))
            << "code " << i << " of " << from << " to " << to;
      }
    }
  }
}

TEST_P(CastTest, EveryLengthAlignmentAndDtype) {
  for (int64_t n : lengths()) {
    for (int32_t from : kStoredFloats) {
      for (int32_t to : kStoredFloats) {
        const int64_t shift = n % 4;
        Buffer in(device_, from, uniform_values(n, static_cast<uint32_t>(n), -70000.0, 70000.0),
                  shift);
        Buffer out(device_, to, n, (shift * 3 + 1) % 5);
        run_everywhere([&] { return cast(device_, out.cell(), in.cell(), n); }, {&out});
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_EQ(out.bits(i), expected_cast(in.bits(i), from, to))
              << "element " << i << " of " << n << ", " << from << " to " << to;
        }
        ASSERT_TRUE(in.unchanged());
      }
    }
  }
}

TEST_P(CastTest, ScalesAndSaturates) {
  Value<float> scale(device_, 3.0f);
  options_.scale = scale.data();
  options_.flags = NAMP_CAST_SATURATE;
  Buffer in(device_, NAMP_FLOAT32,
            {1.0, 30000.0, -30000.0, kInfinity, -kInfinity, double{1e-8f}, double{3e38f}});
  Buffer out(device_, NAMP_FLOAT16, 7), narrow(device_, NAMP_BFLOAT16, 7);
  run_everywhere([&] { return cast(device_, out.cell(), in.cell(), 7, &options_); }, {&out});
  EXPECT_EQ(out[0], 3.0);
  EXPECT_EQ(out[1], 65504.0);
  EXPECT_EQ(out[2], -65504.0);
  EXPECT_EQ(out[3], kInfinity);
  EXPECT_EQ(out[4], -kInfinity);
  EXPECT_EQ(out.bits(5), encode(static_cast<double>(1e-8f * 3.0f), NAMP_FLOAT16));
  options_.scale = nullptr;
  run_everywhere([&] { return cast(device_, narrow.cell(), in.cell(), 7, &options_); }, {&narrow});
  EXPECT_EQ(narrow.bits(6), encode(static_cast<double>(3e38f), NAMP_BFLOAT16));
}

// As in the OCP specification: infinity saturates, too.
TEST_P(CastTest, SaturatesToBytes) {
  options_.flags = NAMP_CAST_SATURATE;
  for (int32_t dtype : kByteFloats) {
    const double largest = dtype == NAMP_FLOAT8_E4M3 ? 448 : 57344;
    Buffer in(device_, NAMP_FLOAT32,
              {largest, -largest * 1.01, largest * 3, -double{3e38f}, kInfinity, -kInfinity, kNaN,
               1.0, -0.0});
    Buffer out(device_, dtype, in.size());
    run_everywhere([&] { return cast(device_, out.cell(), in.cell(), in.size(), &options_); },
                   {&out});
    const double sign[] = {1, -1, 1, -1, 1, -1};
    for (int64_t i = 0; i < 6; ++i)
      EXPECT_EQ(out[i], sign[i] * largest) << "element " << i << " to " << dtype;
    EXPECT_EQ(out.bits(6), nan_of(format_of(dtype)));
    EXPECT_EQ(out[7], 1.0);
    EXPECT_EQ(out.bits(8), 0x80u);
  }
}

// A value to store in a cell is divided by the cell's scale, and a stored value is multiplied by
// it: in float32, each rounded, as the oracle computes.
TEST_P(CastTest, AppliesTheScalesOfCells) {
  Value<float> three(device_, 3.7f), small(device_, 0x1.8p-9f), factor(device_, 0.3f);
  for (int32_t to : kByteFloats) {
    for (int32_t from : kByteFloats) {
      const int64_t n = kChunk + 77;
      Buffer wide(device_, NAMP_FLOAT32, uniform_values(n, 11, -2000, 2000), 1);
      Buffer codes(device_, from, n, 3), out(device_, to, n, 1), back(device_, NAMP_FLOAT32, n);
      run_everywhere(
          [&] { return cast(device_, cell(codes.data(), from, three.data()), wide.cell(), n); },
          {&codes});
      for (int64_t i = 0; i < n; ++i) {
        const float quotient = static_cast<float>(wide[i]) / 3.7f;
        ASSERT_EQ(codes.bits(i), encode(static_cast<double>(quotient), from));
      }
      options_.scale = factor.data();
      run_everywhere(
          [&] {
            return cast(device_, cell(out.data(), to, small.data()),
                        cell(codes.data(), from, three.data()), n, &options_);
          },
          {&out});
      options_.scale = nullptr;
      run_everywhere(
          [&] { return cast(device_, back.cell(), cell(codes.data(), from, three.data()), n); },
          {&back});
      for (int64_t i = 0; i < n; ++i) {
        const float value = static_cast<float>(codes[i]) * 3.7f;
        if (!std::isnan(value)) {
          ASSERT_EQ(back.bits(i), float_bits(value));
          ASSERT_EQ(out.bits(i), encode(static_cast<double>(value * 0.3f / 0x1.8p-9f), to));
        }
      }
    }
  }
}

// No scale gives bits that depend on the device: a NaN from arithmetic is the positive one.
TEST_P(CastTest, OddScalesGiveTheSameBitsEverywhere) {
  const double values[] = {0.0, -0.0, 1.0, -1.0, kInfinity, -kInfinity, kNaN};
  for (float odd : {0.0f, -0.0f, HUGE_VALF, -HUGE_VALF, std::nanf(""), -2.0f, 0x1p-149f}) {
    Value<float> scale_value(device_, odd);
    for (int32_t dtype : kByteFloats) {
      Buffer wide(device_, NAMP_FLOAT32, std::vector<double>(std::begin(values), std::end(values)));
      Buffer codes(device_, dtype, std::vector<double>(std::begin(values), std::end(values)));
      Buffer out(device_, dtype, wide.size()), back(device_, NAMP_FLOAT32, wide.size());
      const namp_cell to = cell(out.data(), dtype, scale_value.data());
      const namp_cell from = cell(codes.data(), dtype, scale_value.data());
      run_everywhere([&] { return cast(device_, to, wide.cell(), wide.size()); }, {&out});
      run_everywhere([&] { return cast(device_, back.cell(), from, wide.size()); }, {&back});
      const auto made_nan = [](float result, float x, int32_t of) {
        if (!std::isnan(result)) return encode(static_cast<double>(result), of);
        if (!std::isnan(x)) return encode_nan(0x7fc00000u, of);
        return encode_nan(float_bits(x) | 0x400000u, of);
      };
      for (int64_t i = 0; i < wide.size(); ++i) {
        const auto x = static_cast<float>(wide[i]);
        ASSERT_EQ(out.bits(i), made_nan(x / odd, x, dtype)) << x << " over " << odd;
        auto code = static_cast<float>(codes[i]);
        if (std::isnan(code)) {
          const uint32_t nan = decode_nan(codes.bits(i), dtype);
          std::memcpy(&code, &nan, sizeof(code));
        }
        ASSERT_EQ(back.bits(i), made_nan(code * odd, code, NAMP_FLOAT32)) << code << " by " << odd;
      }
    }
  }
}

// philox_test.cpp tests the generator; this tests its use.
TEST_P(CastTest, StochasticRoundingIsUnbiasedAndReproducible) {
  options_.rounding = NAMP_ROUND_STOCHASTIC;
  options_.seed = 42;
  constexpr int64_t kCount = 40000;
  for (int32_t dtype : kNarrowFloats) {
    const Format f = format_of(dtype);
    const double unit = std::ldexp(1.0, f.minimum_exponent - f.fraction);  // of subnormals
    const double beside_one = 1.0 + std::ldexp(0.3, -f.fraction);
    for (double x : {beside_one, -beside_one, 1.37 * unit, 0.84 * unit, 2.0}) {
      Buffer in(device_, NAMP_FLOAT32, std::vector<double>(kCount, x));
      Buffer out(device_, dtype, kCount), part(device_, dtype, 1000, 1);
      const double exact = in[0];
      run_everywhere([&] { return cast(device_, out.cell(), in.cell(), kCount, &options_); },
                     {&out});
      double sum = 0, low = kInfinity, high = -kInfinity;
      for (int64_t i = 0; i < kCount; ++i) {
        sum += out[i];
        low = std::min(low, out[i]);
        high = std::max(high, out[i]);
      }
      // Two adjacent values, and the mean within five standard deviations.
      EXPECT_LE(low, exact);
      EXPECT_GE(high, exact);
      EXPECT_NEAR(sum / kCount, exact, 2.5 * (high - low) / std::sqrt(double{kCount}) + 1e-300);
      // Element i does not depend on where the call began.
      options_.offset = 777;
      run_everywhere([&] { return cast(device_, part.cell(), in.cell(), 1000, &options_); },
                     {&part});
      options_.offset = 0;
      for (int64_t i = 0; i < 1000; ++i)
        ASSERT_EQ(part.bits(i), out.bits(i + 777));
    }
  }
}

TEST_P(CastTest, TableCastsWhatHasADestination) {
  Buffer a(device_, NAMP_FLOAT32, uniform_values(33, 1, -2, 2), 1);
  Buffer b(device_, NAMP_FLOAT32, uniform_values(kChunk + 5, 2, -2, 2));
  Buffer c(device_, NAMP_FLOAT32, uniform_values(9, 3, -2, 2));
  Buffer a_half(device_, NAMP_FLOAT16, 33, 3), b_half(device_, NAMP_BFLOAT16, kChunk + 5, 1);
  Table table(device_, {33, 0, kChunk + 5, 9},
              {{a.cell(), a_half.cell()},
               {namp_cell{}, namp_cell{}},
               {b.cell(), b_half.cell()},
               {c.cell(), namp_cell{}}});
  run_everywhere([&] { return namp_cast_table(table, 1, 0, nullptr, nullptr); },
                 {&a_half, &b_half});
  for (int64_t i = 0; i < 33; ++i)
    ASSERT_EQ(a_half.bits(i), encode(a[i], NAMP_FLOAT16));
  for (int64_t i = 0; i < b.size(); ++i)
    ASSERT_EQ(b_half.bits(i), encode(b[i], NAMP_BFLOAT16));
}

// Many tensors in a call, to bytes and back, each by its own scale.
TEST_P(CastTest, TableCastsToBytesAndBack) {
  const int64_t counts[] = {33, kChunk + 5, 1000};
  const float scales[] = {0.5f, 3.1f, 0x1p-20f};
  const int32_t dtypes[] = {NAMP_FLOAT8_E4M3, NAMP_FLOAT8_E5M2, NAMP_FLOAT8_E4M3};
  std::vector<std::unique_ptr<Buffer>> wide, codes, back;
  std::vector<std::unique_ptr<Value<float>>> values;
  std::vector<std::vector<namp_cell>> rows;
  for (size_t t = 0; t < 3; ++t) {
    const auto seed = static_cast<uint32_t>(t);
    const auto shift = static_cast<int64_t>(t);
    wide.push_back(std::make_unique<Buffer>(
        device_, NAMP_FLOAT32,
        uniform_values(counts[t], seed, -900 * double{scales[t]}, 900 * double{scales[t]}), shift));
    codes.push_back(std::make_unique<Buffer>(device_, dtypes[t], counts[t], 2 * shift + 1));
    back.push_back(std::make_unique<Buffer>(device_, NAMP_BFLOAT16, counts[t], 3 - shift));
    values.push_back(std::make_unique<Value<float>>(device_, scales[t]));
    // The second has no scale: 1.
    const float* const scale_of = t == 1 ? nullptr : values[t]->data();
    rows.push_back({wide[t]->cell(), cell(codes[t]->data(), dtypes[t], scale_of), back[t]->cell()});
  }
  Table table(device_, {counts[0], counts[1], counts[2]}, rows);
  options_.flags = NAMP_CAST_SATURATE;
  run_everywhere([&] { return namp_cast_table(table, 1, 0, &options_, nullptr); },
                 {codes[0].get(), codes[1].get(), codes[2].get()});
  run_everywhere([&] { return namp_cast_table(table, 2, 1, nullptr, nullptr); },
                 {back[0].get(), back[1].get(), back[2].get()});
  for (size_t t = 0; t < 3; ++t) {
    const float s = t == 1 ? 1.0f : scales[t];
    const double largest = dtypes[t] == NAMP_FLOAT8_E4M3 ? 448 : 57344;
    for (int64_t i = 0; i < counts[t]; ++i) {
      const double x = double{static_cast<float>((*wide[t])[i]) / s};
      ASSERT_EQ(codes[t]->bits(i), encode(std::clamp(x, -largest, largest), dtypes[t]));
      const float value = static_cast<float>((*codes[t])[i]) * s;
      ASSERT_EQ(back[t]->bits(i), encode(double{value}, NAMP_BFLOAT16));
    }
  }
}

TEST_P(ScaleTest, MultipliesInFloat32AndRoundsOnce) {
  Value<float> factor(device_, 1024.5f);
  for (int32_t from : kFloats) {
    for (int32_t to : kFloats) {
      Buffer in(device_, from, uniform_values(kChunk + 21, 5, -100, 100), 1);
      Buffer out(device_, to, kChunk + 21, 2);
      run_everywhere(
          [&] { return scale(device_, out.cell(), in.cell(), in.size(), factor.data()); }, {&out});
      for (int64_t i = 0; i < in.size(); ++i) {
        const float product = static_cast<float>(in[i]) * 1024.5f;
        ASSERT_EQ(out.bits(i), encode(static_cast<double>(product), to));
      }
    }
  }
}

NAMP_ON_EVERY_DEVICE(CastTest);
NAMP_ON_EVERY_DEVICE(ScaleTest);

}  // namespace
}  // namespace namp_test
