// Dropout against an independent Philox4x32-10, written from its paper (Salmon et al., SC 2011).
#include "backend_test.h"

#include <array>

namespace namp_test {
namespace {

std::array<uint32_t, 4> philox(uint64_t block, uint64_t seed) {
  std::array<uint32_t, 4> x = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0,
                               0};
  auto k0 = static_cast<uint32_t>(seed);
  auto k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * x[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * x[2];
    x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return x;
}

uint32_t word(uint64_t index, uint64_t seed) { return philox(index / 4, seed)[index % 4]; }

// The known answers of the Random123 distribution (kat_vectors, philox4x32 10).
TEST(PhiloxOracle, GivesTheKnownAnswers) {
  EXPECT_EQ(philox(0, 0),
            (std::array<uint32_t, 4>{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
}

class DropoutTest : public BackendTest {};

TEST_P(DropoutTest, DropsWhatTheGeneratorSays) {
  const uint64_t seed = 0x123456789ABCDEF0;
  for (int32_t dtype : kFloats) {
    for (int64_t count : every(0, 67)) {
      for (uint64_t offset : {uint64_t{0}, uint64_t{1}, uint64_t{6}, uint64_t{0xFFFFFFFF3}}) {
        Buffer input(device_, dtype, random_values(count, 1), count % 3);
        Buffer output(device_, dtype, count, count % 5);
        const float probability = 0.3F;
        run_everywhere(
            [&] {
              return namp_dropout(device_, output.data(), input.data(), dtype, count, probability,
                                  seed, offset, nullptr, nullptr);
            },
            {&output});
        std::vector<double> expected;
        for (int64_t i = 0; i < count; ++i) {
          const double uniform =
              static_cast<double>(word(offset + static_cast<uint64_t>(i), seed)) / 0x1p32;
          expected.push_back(uniform < double{probability} ? 0.0
                                                           : input[i] / (1 - double{probability}));
        }
        expect_close(output, expected, 0, "count " + std::to_string(count));
      }
    }
  }
}

TEST_P(DropoutTest, DropsTheGivenFractionOfMany) {
  const int64_t count = 100001;
  Buffer input(device_, NAMP_FLOAT32, std::vector<double>(static_cast<size_t>(count), 1.0), 1);
  Buffer output(device_, NAMP_FLOAT32, count, 1);
  for (float probability : {0.0F, 0.1F, 0.9F}) {
    run_everywhere(
        [&] {
          return namp_dropout(device_, output.data(), input.data(), NAMP_FLOAT32, count,
                              probability, 7, 0, nullptr, nullptr);
        },
        {&output});
    int64_t dropped = 0;
    for (int64_t i = 0; i < count; ++i)
      dropped += output[i] == 0 ? 1 : 0;
    EXPECT_NEAR(static_cast<double>(dropped) / static_cast<double>(count), double{probability},
                0.005);
    if (probability == 0) {
      EXPECT_EQ(output.bytes(), input.bytes());
    }
  }
}

TEST_P(DropoutTest, ADroppedNaNIsZeroAndAKeptOneStays) {
  Buffer input(device_, NAMP_FLOAT16, std::vector<double>(64, kNaN));
  Buffer output(device_, NAMP_FLOAT16, 64);
  run_everywhere(
      [&] {
        return namp_dropout(device_, output.data(), input.data(), NAMP_FLOAT16, 64, 0.5F, 3, 0,
                            nullptr, nullptr);
      },
      {&output});
  for (int64_t i = 0; i < 64; ++i) {
    if (word(static_cast<uint64_t>(i), 3) < 0x80000000U) {
      EXPECT_EQ(output[i], 0.0) << i;
    } else {
      EXPECT_TRUE(std::isnan(output[i])) << i;
    }
  }
}

TEST_P(DropoutTest, RefusesBadArguments) {
  Buffer data(device_, NAMP_FLOAT32, 64);
  float* p = data.floats();
  const auto refused = [&](int32_t status, void* out, const void* in, int32_t dtype, int64_t count,
                           float probability) {
    expect_refused(
        status, namp_dropout(device_, out, in, dtype, count, probability, 0, 0, nullptr, nullptr),
        {&data});
  };
  const auto invalid = NAMP_ERROR_INVALID_ARGUMENT;
  refused(invalid, nullptr, p, NAMP_FLOAT32, 4, 0.5F);
  refused(invalid, p, nullptr, NAMP_FLOAT32, 4, 0.5F);
  refused(invalid, p, p + 8, NAMP_UINT8, 4, 0.5F);
  refused(invalid, p, p + 8, NAMP_FLOAT32, -4, 0.5F);
  refused(invalid, p, p + 8, NAMP_FLOAT32, 4, 1.0F);
  refused(invalid, p, p + 8, NAMP_FLOAT32, 4, -0.1F);
  refused(invalid, p, p + 8, NAMP_FLOAT32, 4, static_cast<float>(kNaN));
  refused(NAMP_ERROR_MISALIGNED, reinterpret_cast<char*>(p) + 1, p + 8, NAMP_FLOAT16, 4, 0.5F);
}

NAMP_ON_EVERY_DEVICE(DropoutTest);

}  // namespace
}  // namespace namp_test
