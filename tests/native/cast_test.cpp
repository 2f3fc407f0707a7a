// Family 1 against exact rounding in double.
#include <cstdlib>

#include "support.h"

namespace test {
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

TEST(Cast, RoundsEveryFloatExactly) {
  Device device;
  const auto targets = device.targets();
  constexpr int64_t kBlock = 1 << 16;
  // Without the whole range: an odd stride, and all bits around the borders of the exponents.
  const int64_t blocks = exhaustive() ? (int64_t{1} << 32) / kBlock : 64;
  for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    int64_t wrong = 0;
#pragma omp parallel for reduction(+ : wrong)
    for (int64_t block = 0; block < blocks; ++block) {
      std::vector<uint32_t> in(kBlock);
      std::vector<uint16_t> out(kBlock);
      std::vector<uint16_t> expected(kBlock);
      for (int64_t i = 0; i < kBlock; ++i) {
        const int64_t index = block * kBlock + i;
        uint32_t bits = static_cast<uint32_t>(index);
        if (!exhaustive() && block < 60) bits = static_cast<uint32_t>(index * 1021 + index % 7);
        if (!exhaustive() && block >= 60) {
          bits = (static_cast<uint32_t>(index % 512) << 23) + static_cast<uint32_t>(index / 512) -
                 7936u;
        }
        in[static_cast<size_t>(i)] = bits;
        expected[static_cast<size_t>(i)] =
            static_cast<uint16_t>(expected_cast(bits, NAMP_FLOAT32, dtype));
      }
      for (int32_t target : targets) {
        namp_device* own = nullptr;
        if (namp_device_open(&own, NAMP_DEVICE_CPU, 0) != NAMP_OK) continue;
        namp_device_set_simd(own, target);
        namp_device_set_threads(own, 1);
        if (namp_cast(own, out.data(), dtype, in.data(), NAMP_FLOAT32, kBlock, nullptr, nullptr) !=
            NAMP_OK) {
          wrong += kBlock;
        }
        for (size_t i = 0; i < in.size(); ++i)
          wrong += out[i] != expected[i];
        namp_device_close(own);
      }
    }
    EXPECT_EQ(wrong, 0) << "dtype " << dtype;
  }
}

TEST(Cast, WidensEveryHalfExactly) {
  Device device;
  for (int32_t target : device.targets()) {
    device.use(target, 1);
    for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
      Buffer in(1 << 16, dtype), out(1 << 16, NAMP_FLOAT32);
      for (int64_t i = 0; i < in.count(); ++i)
        in.set_bits(i, static_cast<uint32_t>(i));
      ASSERT_EQ(namp_cast(device, out.data(), NAMP_FLOAT32, in.data(), dtype, in.count(), nullptr,
                          nullptr),
                NAMP_OK);
      for (int64_t i = 0; i < in.count(); ++i) {
        ASSERT_EQ(out.bits(i), expected_cast(in.bits(i), dtype, NAMP_FLOAT32))
            << "half " << i << " target " << target;
      }
    }
  }
}

TEST(Cast, EveryLengthAlignmentAndDtype) {
  Device device;
  for (int32_t target : device.targets()) {
    for (int64_t n : lengths()) {
      for (int32_t from : kDtypes) {
        for (int32_t to : kDtypes) {
          const int64_t shift = n % 4;
          device.use(target, n > 100 ? 3 : 1);
          Buffer in(n, from, shift), out(n, to, (shift * 3 + 1) % 5);
          in.fill_random(static_cast<uint32_t>(n), -70000.0, 70000.0);
          ASSERT_EQ(namp_cast(device, out.data(), to, in.data(), from, n, nullptr, nullptr),
                    NAMP_OK);
          for (int64_t i = 0; i < n; ++i) {
            ASSERT_EQ(out.bits(i), expected_cast(in.bits(i), from, to))
                << "element " << i << " of " << n << ", " << from << " to " << to;
          }
          ASSERT_TRUE(in.intact() && out.intact()) << n << " target " << target;
        }
      }
    }
  }
}

TEST(Cast, ScalesAndSaturates) {
  Device device;
  const float scale = 3.0f;
  namp_cast_options options{};
  options.struct_size = sizeof(options);
  options.scale = &scale;
  options.flags = NAMP_CAST_SATURATE;
  const float in[] = {1.0f, 30000.0f, -30000.0f, INFINITY, -INFINITY, 1e-8f, 3e38f};
  for (int32_t target : device.targets()) {
    device.use(target, 1);
    Buffer out(7, NAMP_FLOAT16), narrow(7, NAMP_BFLOAT16);
    ASSERT_EQ(namp_cast(device, out.data(), NAMP_FLOAT16, in, NAMP_FLOAT32, 7, &options, nullptr),
              NAMP_OK);
    EXPECT_EQ(out.get(0), 3.0);
    EXPECT_EQ(out.get(1), 65504.0);
    EXPECT_EQ(out.get(2), -65504.0);
    EXPECT_EQ(out.get(3), INFINITY);
    EXPECT_EQ(out.get(4), -INFINITY);
    EXPECT_EQ(out.bits(5), encode(static_cast<double>(1e-8f * 3.0f), NAMP_FLOAT16));
    options.scale = nullptr;
    ASSERT_EQ(
        namp_cast(device, narrow.data(), NAMP_BFLOAT16, in, NAMP_FLOAT32, 7, &options, nullptr),
        NAMP_OK);
    EXPECT_EQ(narrow.bits(6), encode(static_cast<double>(3e38f), NAMP_BFLOAT16));
    options.scale = &scale;
  }
}

// philox_test.cpp pins the generator; this, what it is used for.
TEST(Cast, StochasticRoundingIsUnbiasedAndReproducible) {
  Device device;
  namp_cast_options options{};
  options.struct_size = sizeof(options);
  options.rounding = NAMP_ROUND_STOCHASTIC;
  options.seed = 42;
  constexpr int64_t kCount = 40000;
  for (int32_t dtype : {NAMP_FLOAT16, NAMP_BFLOAT16}) {
    for (double x : {1.0003, -1.0003, 3.1e-6, 5e-8, 2.0}) {
      Buffer in(kCount, NAMP_FLOAT32), first(kCount, dtype);
      for (int64_t i = 0; i < kCount; ++i)
        in.set(i, x);
      const double exact = in.get(0);
      std::vector<unsigned char> bytes;
      for (int32_t target : device.targets()) {
        for (int32_t threads : {1, 3}) {
          device.use(target, threads);
          ASSERT_EQ(namp_cast(device, first.data(), dtype, in.data(), NAMP_FLOAT32, kCount,
                              &options, nullptr),
                    NAMP_OK);
          if (bytes.empty()) bytes = first.bytes();
          ASSERT_EQ(bytes, first.bytes());
        }
      }
      double sum = 0, low = INFINITY, high = -INFINITY;
      for (int64_t i = 0; i < kCount; ++i) {
        sum += first.get(i);
        low = std::min(low, first.get(i));
        high = std::max(high, first.get(i));
      }
      // Two neighbours, and the mean within five standard deviations.
      EXPECT_LE(low, exact);
      EXPECT_GE(high, exact);
      EXPECT_NEAR(sum / kCount, exact, 2.5 * (high - low) / std::sqrt(double{kCount}) + 1e-300);
      // Element i does not depend on where the call began.
      Buffer part(1000, dtype, 1);
      options.offset = 777;
      ASSERT_EQ(
          namp_cast(device, part.data(), dtype, in.data(), NAMP_FLOAT32, 1000, &options, nullptr),
          NAMP_OK);
      options.offset = 0;
      for (int64_t i = 0; i < 1000; ++i)
        ASSERT_EQ(part.bits(i), first.bits(i + 777));
      EXPECT_TRUE(part.intact());
    }
  }
}

TEST(Cast, TableCastsWhatHasADestination) {
  Device device;
  for (int32_t target : device.targets()) {
    device.use(target, 2);
    Buffer a(33, NAMP_FLOAT32, 1), a_half(33, NAMP_FLOAT16, 3);
    Buffer b(kChunk + 5, NAMP_FLOAT32), b_half(kChunk + 5, NAMP_BFLOAT16, 1);
    Buffer c(9, NAMP_FLOAT32);
    a.fill_random(1, -2, 2);
    b.fill_random(2, -2, 2);
    Table table(device, {33, 0, kChunk + 5, 9},
                {{cell(a), cell(a_half)},
                 {{nullptr, 0, 0}, {nullptr, 0, 0}},
                 {cell(b), cell(b_half)},
                 {cell(c), {nullptr, 0, 0}}});
    ASSERT_EQ(namp_cast_table(table, 1, 0, nullptr, nullptr), NAMP_OK) << namp_last_error_message();
    for (int64_t i = 0; i < 33; ++i)
      ASSERT_EQ(a_half.bits(i), encode(a.get(i), NAMP_FLOAT16));
    for (int64_t i = 0; i < b.count(); ++i) {
      ASSERT_EQ(b_half.bits(i), encode(b.get(i), NAMP_BFLOAT16));
    }
    EXPECT_TRUE(a_half.intact() && b_half.intact());
  }
}

TEST(Scale, MultipliesInFloat32AndRoundsOnce) {
  Device device;
  const float factor = 1024.5f;
  for (int32_t target : device.targets()) {
    device.use(target, 2);
    for (int32_t from : kDtypes) {
      for (int32_t to : kDtypes) {
        Buffer in(kChunk + 21, from, 1), out(kChunk + 21, to, 2);
        in.fill_random(5, -100, 100);
        ASSERT_EQ(namp_scale(device, out.data(), to, in.data(), from, in.count(), &factor, nullptr),
                  NAMP_OK);
        for (int64_t i = 0; i < in.count(); ++i) {
          const float product = static_cast<float>(in.get(i)) * factor;
          ASSERT_EQ(out.bits(i), encode(static_cast<double>(product), to));
        }
        ASSERT_TRUE(out.intact());
      }
    }
  }
}

}  // namespace
}  // namespace test
