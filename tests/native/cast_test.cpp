// Family 1 against exact rounding in double.
#include <cstdlib>

#include "backend_test.h"

namespace namp_test {
namespace {

// What casting the bits of an element gives.
uint32_t expected_cast(uint32_t bits, int32_t from, int32_t to) {
  if (from == to) return bits;
  const double x = decode(bits, from);
  if (!std::isnan(x)) return encode(x, to);
  // By way of float32, whose payload holds every half's.
  uint32_t wide = bits;
  if (from == NAMP_BFLOAT16) wide = bits << 16;
  if (from == NAMP_FLOAT16) {
    wide = ((bits & 0x8000u) << 16) | 0x7fc00000u | ((bits & 0x3ffu) << 13);
  }
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

// What casting the floats with the bits first, first + 1, … gives: count of them, of one sign and
// one exponent. Their halves ascend, so each is a run, and ends at the point midway to the next
// (which belongs to the even one); that point is a float. Beyond the largest half comes infinity,
// where the next power of two would be.
void expect_run(uint32_t first, int64_t count, int32_t dtype, uint16_t* expected) {
  const Format f = format_of(dtype);
  const auto infinity = static_cast<uint32_t>(f.exponent_ones) << f.fraction;
  const auto value = [&](uint32_t half) {
    return half == infinity ? std::ldexp(1.0, 2 - f.minimum_exponent) : decode(half, dtype);
  };
  const uint32_t sign = first >> 31 << 15;
  uint32_t half = encode(decode(first & 0x7fffffffu, NAMP_FLOAT32), dtype);
  for (int64_t i = 0; i < count; ++half) {
    int64_t end = count;
    if (half != infinity) {
      const double midway = (value(half) + value(half + 1)) / 2;
      const auto limit = static_cast<int64_t>(float_bits(static_cast<float>(midway)));
      const int64_t last = half % 2 == 0 ? limit : limit - 1;
      end = std::min(count, last - static_cast<int64_t>(first & 0x7fffffffu) + 1);
    }
    for (; i < end; ++i)
      expected[i] = static_cast<uint16_t>(sign | half);
  }
}

// All 2^32 of them where NATIVEAMP_EXHAUSTIVE is 1, else one run in 64 (on a GPU, in 2^13).
TEST_P(CastTest, RoundsEveryFloatExactly) {
  constexpr int64_t kRun = 1 << 16;
  const int64_t runs = device_.is_gpu() ? 1 : 16;
  const int64_t count = runs * kRun;
  const int64_t stride = device_.is_gpu() ? 8191 : exhaustive() ? 1 : 63;
  std::vector<uint32_t> bits(static_cast<size_t>(count));
  std::vector<uint16_t> expected(static_cast<size_t>(count));
  Buffer in(device_, NAMP_FLOAT32, count);
  for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    Buffer out(device_, dtype, count);
    for (int64_t block = 0; block < (int64_t{1} << 32) / count; block += stride) {
#pragma omp parallel for num_threads(2)
      for (int64_t run = 0; run < runs; ++run) {
        const auto first = static_cast<uint32_t>(block * count + run * kRun);
        uint16_t* const to = expected.data() + run * kRun;
        for (int64_t i = 0; i < kRun; ++i)
          bits[static_cast<size_t>(run * kRun + i)] = first + static_cast<uint32_t>(i);
        if ((first & 0x7f800000u) != 0x7f800000u) {
          expect_run(first, kRun, dtype, to);
          continue;
        }
        for (int64_t i = 0; i < kRun; ++i)  // infinity and NaN
          to[i] = static_cast<uint16_t>(
              expected_cast(first + static_cast<uint32_t>(i), NAMP_FLOAT32, dtype));
      }
      in.set_bytes(bits.data());
      for (const Setting& setting : device_.settings({2})) {
        device_.use(setting);
        ASSERT_EQ(cast(device_, out.cell(), in.cell(), count), NAMP_OK);
        const auto bytes = out.bytes();
        if (std::memcmp(bytes.data(), expected.data(), bytes.size()) == 0) continue;
        for (int64_t i = 0; i < count; ++i) {
          ASSERT_EQ(out.bits(i), expected[static_cast<size_t>(i)])
              << "of the bits " << bits[static_cast<size_t>(i)] << ", " << setting;
        }
      }
    }
  }
}

// All of the significands' first bits, about the border of every exponent: halfway cases and the
// ends of both formats, against rounding one number at a time.
TEST_P(CastTest, RoundsExactlyAroundEveryExponent) {
  constexpr int64_t kPerExponent = 256;
  constexpr int64_t kCount = 512 * kPerExponent;
  Buffer in(device_, NAMP_FLOAT32, kCount);
  for (int64_t i = 0; i < kCount; ++i) {
    const auto border = static_cast<uint32_t>(i / kPerExponent) << 23;
    in.set_bits(i, border + static_cast<uint32_t>(i % kPerExponent) - kPerExponent / 2);
  }
  for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    Buffer out(device_, dtype, kCount);
    run_everywhere([&] { return cast(device_, out.cell(), in.cell(), kCount); }, {&out});
    for (int64_t i = 0; i < kCount; ++i) {
      ASSERT_EQ(out.bits(i), expected_cast(in.bits(i), NAMP_FLOAT32, dtype))
          << "of the bits " << in.bits(i);
    }
  }
}

TEST_P(CastTest, WidensEveryHalfExactly) {
  for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    Buffer in(device_, dtype, 1 << 16), out(device_, NAMP_FLOAT32, 1 << 16);
    for (int64_t i = 0; i < in.size(); ++i)
      in.set_bits(i, static_cast<uint32_t>(i));
    run_everywhere([&] { return cast(device_, out.cell(), in.cell(), in.size()); }, {&out});
    for (int64_t i = 0; i < in.size(); ++i) {
      ASSERT_EQ(out.bits(i), expected_cast(static_cast<uint32_t>(i), dtype, NAMP_FLOAT32))
          << "half " << i;
    }
  }
}

TEST_P(CastTest, EveryLengthAlignmentAndDtype) {
  for (int64_t n : lengths()) {
    for (int32_t from : kFloats) {
      for (int32_t to : kFloats) {
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

// philox_test.cpp pins the generator; this, what it is used for.
TEST_P(CastTest, StochasticRoundingIsUnbiasedAndReproducible) {
  options_.rounding = NAMP_ROUND_STOCHASTIC;
  options_.seed = 42;
  constexpr int64_t kCount = 40000;
  for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    for (double x : {1.0003, -1.0003, 3.1e-6, 5e-8, 2.0}) {
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
      // Two neighbours, and the mean within five standard deviations.
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
