// What every formula is built of, on the lane that is a plain float.
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "formulas/lane.h"
#include "numbers.h"

namespace namp_test {
namespace {

// Products of 24 bits each that end halfway between two floats, and what 53 bits do not hold beside them: a rounding to double
// would lose it, and then decide by evenness.
TEST(Lane, AMultipliedAndAddedNumberIsRoundedOnce) {
  EXPECT_EQ(namp::multiply_add(0x1.001p0f, 0x1.001p0f, 0x1p-60f), 0x1.002002p0f);
  EXPECT_EQ(namp::multiply_add(0x1.001p0f, 0x1.001p0f, 0.0f), 0x1.002p0f);
  EXPECT_EQ(namp::multiply_add(0x1.001p0f, 0x1.001p0f, -0x1p-60f), 0x1.002p0f);
  EXPECT_EQ(namp::multiply_add(0x1.001p0f, -0x1.001p0f, -0x1p-60f), -0x1.002002p0f);
  EXPECT_EQ(namp::multiply_add(0x1.003p0f, 0x1.001p0f, -0x1p-60f), 0x1.004002p0f);
}

TEST(Lane, MultiplyAddIsThatOfArithmeticInBinary128) {
  std::mt19937 random(1);
  std::uniform_int_distribution<uint32_t> any;
  std::uniform_int_distribution<int> near(-60, 60);
  for (int i = 0; i < 1000000; ++i) {
    const float a = std::bit_cast<float>((any(random) & 0x807fffffu) | 0x3f800000u);
    const float b = std::ldexp(std::bit_cast<float>((any(random) & 0x807fff00u) | 0x3f800000u), -9);
    const float c =
        std::ldexp(std::bit_cast<float>((any(random) & 0x807ff000u) | 0x3f800000u), near(random));
    ASSERT_EQ(float_bits(namp::multiply_add(a, b, c)), float_bits(multiplied_and_added(a, b, c)))
        << std::hexfloat << a << " " << b << " " << c;
  }
}

TEST(Lane, MultiplyAddEndsWhereFloatsDo) {
  const float largest = std::numeric_limits<float>::max();
  const float smallest = std::numeric_limits<float>::denorm_min();
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(namp::multiply_add(largest, 2, -largest), largest);
  EXPECT_EQ(namp::multiply_add(largest, largest, 1), infinity);
  EXPECT_EQ(namp::multiply_add(1, infinity, -1), infinity);
  EXPECT_TRUE(std::isnan(namp::multiply_add(0, infinity, 1)));
  EXPECT_TRUE(std::isnan(namp::multiply_add(1, infinity, -infinity)));
  EXPECT_EQ(namp::multiply_add(smallest, 0.5f, 0), 0.0f);
  EXPECT_EQ(namp::multiply_add(smallest, 0.5f, smallest), 2 * smallest);
  EXPECT_EQ(namp::multiply_add(smallest, smallest, smallest), smallest);
  EXPECT_TRUE(std::signbit(namp::multiply_add(0, -1, -0.0f)));
  EXPECT_FALSE(std::signbit(namp::multiply_add(1, 1, -1)));
}

}  // namespace
}  // namespace namp_test
