// Registers that share a place keep their values apart: what is read later, in whichever lane, is what that lane wrote.
#include "instruction_test.h"

namespace nampemu_test {
namespace {

const std::vector<uint32_t> kValues = [] {
  std::vector<uint32_t> values(130);
  for (uint32_t i = 0; i < values.size(); ++i)
    values[i] = i * 2654435761U;
  return values;
}();

class RegisterTest : public InstructionTest {};

TEST_F(RegisterTest, LanesThatWentDifferentWaysKeepTheirs) {
  check1<uint32_t, uint32_t>(
      ".reg .b32 %e<9>;\n.reg .pred %q<3>;\nand.b32 %e1, %x, 1;\nsetp.eq.u32 %q1, %e1, 0;\n"
      "@%q1 bra EVEN;\nmul.lo.u32 %e2, %x, 3;\nadd.u32 %e3, %e2, 7;\nmov.u32 %e4, %e3;\nbra JOIN;\n"
      "EVEN:\nshl.b32 %e5, %x, 1;\nxor.b32 %e6, %e5, 5;\nmov.u32 %e4, %e6;\n"
      "JOIN:\nadd.u32 %o, %e4, %x;",
      kValues, [](uint32_t x) { return ((x & 1) == 0 ? ((x << 1) ^ 5) : x * 3 + 7) + x; });
}

// A value that a lane got in one turn of a loop is there in its later ones.
TEST_F(RegisterTest, ALoopCarriesWhatOnlySomeOfItsTurnsWrite) {
  check1<uint32_t, uint32_t>(
      ".reg .b32 %e<9>;\n.reg .pred %q<4>;\nmov.u32 %e1, 0;\nmov.u32 %o, 0;\nmov.u32 %e2, 9;\n"
      "TURN:\nand.b32 %e3, %x, 3;\nsetp.eq.u32 %q1, %e1, %e3;\n@%q1 mov.u32 %e2, %x;\n"
      "mul.lo.u32 %e4, %o, 31;\nadd.u32 %e5, %e4, %e2;\nmov.u32 %o, %e5;\nadd.u32 %e6, %e1, 1;\n"
      "mov.u32 %e1, %e6;\nsetp.lt.u32 %q2, %e1, 6;\n@%q2 bra TURN;\n",
      kValues, [](uint32_t x) {
        uint32_t kept = 9, sum = 0;
        for (uint32_t turn = 0; turn < 6; ++turn) {
          if (turn == (x & 3)) kept = x;
          sum = sum * 31 + kept;
        }
        return sum;
      });
}

TEST_F(RegisterTest, TwoResultsOfAnInstructionWhoseSourcesEndThere) {
  check1<uint32_t, uint32_t>(
      ".reg .b32 %e<9>;\n.reg .pred %q<6>;\nsetp.gt.u32 %q1, %x, 100;\nsetp.lt.and.u32 %q2|%q3, "
      "%x, 4000000000, %q1;\n"
      "selp.b32 %e1, 1, 0, %q2;\nselp.b32 %e2, 2, 0, %q3;\nor.b32 %o, %e1, %e2;",
      kValues, [](uint32_t x) {
        const bool above = x > 100, below = x < 4000000000U;
        return (below && above ? 1U : 0U) | (!below && above ? 2U : 0U);
      });
}

TEST_F(RegisterTest, ALaneReadsAnothersBeforeAnyIsOverwritten) {
  const std::vector<uint32_t> whole(kValues.begin(), kValues.begin() + 128);
  const auto got = apply<uint32_t, uint32_t>(
      ".reg .b32 %e<9>;\nadd.u32 %e1, %x, 1;\nshfl.sync.bfly.b32 %e2, %e1, 31, 31, -1;\nmov.u32 "
      "%o, %e2;",
      whole);
  for (size_t i = 0; i < whole.size(); ++i)
    EXPECT_EQ(got[i], whole[i ^ 31] + 1) << i;
}

// What nothing wrote is all ones, as a register begins, however much was kept elsewhere before.
TEST_F(RegisterTest, OneThatNothingWroteBeginsAsOnes) {
  check1<uint32_t, uint32_t>(
      ".reg .b32 %e<9>;\n.reg .pred %q<3>;\nadd.u32 %e1, %x, 3;\nadd.u32 %e2, %e1, 4;\nsetp.eq.u32 "
      "%q1, %e2, 7;\n"
      "@%q1 mov.u32 %e3, %e2;\nmov.u32 %o, %e3;",
      kValues, [](uint32_t x) { return x + 7 == 7 ? 7U : ~0U; });
}

}  // namespace
}  // namespace nampemu_test
