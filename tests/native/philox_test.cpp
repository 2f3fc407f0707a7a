// Known answers of Philox4x32-10, from the test vectors of its authors' Random123.
#include <gtest/gtest.h>

#include "formulas/philox.h"

TEST(Philox, KnownAnswers) {
  const auto zeros = namp::philox(0, 0, 0);
  const uint32_t expected_zeros[] = {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u};
  const auto ones = namp::philox(~uint64_t{0}, ~uint64_t{0}, ~uint64_t{0});
  const uint32_t expected_ones[] = {0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu};
  const auto pi = namp::philox(0x85a308d3243f6a88u, 0x0370734413198a2eu, 0x299f31d0a4093822u);
  const uint32_t expected_pi[] = {0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u};
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(zeros.words[i], expected_zeros[i]);
    EXPECT_EQ(ones.words[i], expected_ones[i]);
    EXPECT_EQ(pi.words[i], expected_pi[i]);
  }
}
