// Control flow, warps and blocks: branches that part and meet, calls, shuffles, votes, barriers.
#include "instruction_test.h"

namespace nampemu_test {
namespace {

class WarpTest : public InstructionTest {
 protected:
  // The value that each thread of one block leaves in %r0, which the body may set from %r1, its number.
  std::vector<uint32_t> threads(const std::string& body, unsigned count = 32,
                                const std::string& before = "") {
    const std::vector<uint32_t> zeros(count);
    const Buffer out(zeros);
    const std::string all =
        "mov.u32 %r1, %tid.x;\nmov.u32 %r0, 0;\n" + body +
        "\nmul.wide.u32 %d1, %r1, 4;\nadd.u64 %d1, %a0, %d1;\nst.global.u32 [%d1], %r0;";
    EXPECT_EQ(run(kernel(all, 1, before), {out.address()}, 1, count), CUDA_SUCCESS) << findings();
    EXPECT_EQ(nampemu_findings(), 0U) << findings();
    return out.read<uint32_t>();
  }
  void expect(const std::string& body, const std::function<uint32_t(uint32_t)>& wanted,
              unsigned count = 32, const std::string& before = "") {
    const auto got = threads(body, count, before);
    for (uint32_t t = 0; t < count; ++t)
      EXPECT_EQ(got[t], wanted(t)) << body << " thread " << t;
  }
};

TEST_F(WarpTest, LoopsOfDifferentLengthMeetAgain) {
  expect(
      "mov.u32 %r2, 0;\nLOOP: setp.ge.u32 %p1, %r2, %r1;\n@%p1 bra OUT;\nadd.u32 %r2, %r2, "
      "1;\nadd.u32 %r0, %r0, %r2;\nbra LOOP;\nOUT: activemask.b32 %r3;\nadd.u32 %r0, %r0, %r3;",
      [](uint32_t t) { return t * (t + 1) / 2 + 0xffffffffU; });
}

TEST_F(WarpTest, NestedBranches) {
  expect(
      "and.b32 %r2, %r1, 1;\nsetp.eq.u32 %p1, %r2, 0;\n@!%p1 bra ODD;\nsetp.lt.u32 %p2, %r1, "
      "8;\n@%p2 add.u32 %r0, %r0, 100;\n@!%p2 add.u32 %r0, %r0, 200;\nbra.uni END1;\nODD: mov.u32 "
      "%r0, 7;\nEND1:",
      [](uint32_t t) { return t % 2 == 1 ? 7U
                              : t < 8    ? 100U
                                         : 200U; });
}

TEST_F(WarpTest, IndexedBranches) {
  expect(
      "and.b32 %r2, %r1, 3;\nTAB: .branchtargets L0, L1, L2, L2;\nbrx.idx %r2, TAB;\nL0: mov.u32 "
      "%r0, 10;\nbra.uni E;\nL1: mov.u32 %r0, 11;\nbra.uni E;\nL2: mov.u32 %r0, 12;\nE:",
      [](uint32_t t) { return 10 + std::min(t % 4, 2U); });
}

TEST_F(WarpTest, CallsCarryTheirParametersAndReturn) {
  const std::string function =
      ".func (.param .b32 out) twice(.param .b32 in, .param .align 8 .b8 pair[16])\n{\n.reg .b32 "
      "%r<4>;\n.reg .b64 %q;\n"
      "ld.param.u32 %r1, [in];\nld.param.u64 %q, [pair+8];\ncvt.u32.u64 %r2, %q;\nadd.u32 %r3, "
      "%r1, %r1;\nadd.u32 %r3, %r3, %r2;\nst.param.b32 [out], %r3;\nret;\n}\n";
  const std::string body =
      "setp.lt.u32 %p1, %r1, 5;\n@%p1 bra SKIP;\n{\n.param .b32 a;\nst.param.b32 [a+0], "
      "%r1;\n.param .align 8 .b8 b[16];\nst.param.u64 [b], 3;\nst.param.u64 [b+8], 1000;\n"
      ".param .b32 r;\ncall.uni (r), twice, (a, b);\nld.param.b32 %r0, [r+0];\n}\nSKIP:";
  expect(
      body, [](uint32_t t) { return t < 5 ? 0 : 2 * t + 1000; }, 32, function);
}

TEST_F(WarpTest, Shuffles) {
  expect("shfl.sync.bfly.b32 %r0, %r1, 5, 31, -1;", [](uint32_t t) { return t ^ 5; });
  expect("shfl.sync.down.b32 %r0|%p1, %r1, 3, 31, -1;\n@!%p1 add.u32 %r0, %r0, 1000;",
         [](uint32_t t) { return t + 3 < 32 ? t + 3 : t + 1000; });
  expect("shfl.sync.up.b32 %r0|%p1, %r1, 2, 0, -1;\n@!%p1 add.u32 %r0, %r0, 1000;",
         [](uint32_t t) { return t >= 2 ? t - 2 : t + 1000; });
  expect("shfl.sync.idx.b32 %r0, %r1, 9, 31, -1;", [](uint32_t) { return 9U; });
  // Segments of 8: 32 - 8 = 24 in the upper field.
  expect("shfl.sync.idx.b32 %r0, %r1, 1, 0x181f, -1;", [](uint32_t t) { return t / 8 * 8 + 1; });
  expect("shfl.sync.down.b32 %r0, %r1, 1, 0x181f, -1;",
         [](uint32_t t) { return t % 8 == 7 ? t : t + 1; });
  // A part of the warp for itself.
  expect(
      "setp.lt.u32 %p1, %r1, 16;\n@!%p1 bra HIGH;\nshfl.sync.bfly.b32 %r0, %r1, 1, 31, "
      "0xffff;\nbra.uni E;\nHIGH: shfl.sync.bfly.b32 %r0, %r1, 2, 31, 0xffff0000;\nE:",
      [](uint32_t t) { return t < 16 ? t ^ 1 : t ^ 2; });
}

TEST_F(WarpTest, LanesWaitForThoseThatCome) {
  // Odd lanes go around; the shuffle is in one place and takes all.
  expect(
      "and.b32 %r2, %r1, 1;\nsetp.eq.u32 %p1, %r2, 1;\nmov.u32 %r3, %r1;\n@!%p1 bra JOIN;\nadd.u32 "
      "%r3, %r3, 100;\nJOIN: shfl.sync.bfly.b32 %r0, %r3, 1, 31, -1;",
      [](uint32_t t) { return t % 2 == 0 ? t + 101 : t - 1; });
}

TEST_F(WarpTest, VotesMatchesAndReductions) {
  expect("setp.lt.u32 %p1, %r1, 3;\nvote.sync.ballot.b32 %r0, %p1, -1;",
         [](uint32_t) { return 7U; });
  expect(
      "setp.lt.u32 %p1, %r1, 3;\nvote.sync.any.pred %p2, %p1, -1;\nvote.sync.all.pred %p3, !%p1, "
      "-1;\nvote.sync.uni.pred %p4, %p1, -1;\n"
      "selp.u32 %r0, 1, 0, %p2;\n@%p3 add.u32 %r0, %r0, 2;\n@%p4 add.u32 %r0, %r0, 4;",
      [](uint32_t) { return 1U; });
  expect("shr.u32 %r2, %r1, 3;\nmatch.any.sync.b32 %r0, %r2, -1;",
         [](uint32_t t) { return 0xffU << (t / 8 * 8); });
  expect("mov.u64 %d5, 9;\nmatch.all.sync.b64 %r0|%p1, %d5, -1;\n@!%p1 mov.u32 %r0, 1;",
         [](uint32_t) { return ~0U; });
  expect("match.all.sync.b32 %r0|%p1, %r1, -1;\n@!%p1 mov.u32 %r0, 1;",
         [](uint32_t) { return 1U; });
  expect("redux.sync.add.u32 %r0, %r1, -1;", [](uint32_t) { return 496U; });
  expect("sub.s32 %r2, 5, %r1;\nredux.sync.min.s32 %r0, %r2, -1;",
         [](uint32_t) { return static_cast<uint32_t>(-26); });
  expect("redux.sync.max.u32 %r0, %r1, -1;", [](uint32_t) { return 31U; });
  expect("redux.sync.xor.b32 %r0, %r1, -1;", [](uint32_t) { return 0U; });
  expect("redux.sync.or.b32 %r0, %r1, -1;", [](uint32_t) { return 31U; });
  expect("or.b32 %r2, %r1, 6;\nredux.sync.and.b32 %r0, %r2, -1;", [](uint32_t) { return 6U; });
  expect(
      "setp.lt.u32 %p1, %r1, 4;\n@%p1 bra E;\nelect.sync %r0|%p2, 0xfffffff0;\n@%p2 add.u32 %r0, "
      "%r0, 100;\nE:",
      [](uint32_t t) { return t < 4    ? 0U
                              : t == 4 ? 104U
                                       : 4U; });
}

TEST_F(WarpTest, BarriersAcrossWarps) {
  const std::string shared = ".shared .align 4 .b8 sh[512];";
  expect(
      "shl.b32 %r2, %r1, 2;\nmov.u32 %r9, sh;\nst.shared.u32 [%r2], %r1;\nbar.sync 0;\nmov.u32 "
      "%r3, 127;\nsub.u32 %r3, %r3, %r1;\nshl.b32 %r3, %r3, 2;\nld.shared.u32 %r0, [%r3];",
      [](uint32_t t) { return 127 - t; }, 128, shared);
  expect(
      "setp.lt.u32 %p1, %r1, 40;\nbar.red.popc.u32 %r0, 0, %p1;", [](uint32_t) { return 40U; },
      128);
  expect(
      "setp.lt.u32 %p1, %r1, 40;\nbar.red.or.pred %p2, 0, %p1;\nbar.red.and.pred %p3, 0, "
      "!%p1;\nselp.u32 %r0, 1, 0, %p2;\n@%p3 add.u32 %r0, %r0, 2;",
      [](uint32_t) { return 1U; }, 128);
  // One warp gives, the other takes: arrive and sync on a named barrier.
  expect(
      "setp.lt.u32 %p1, %r1, 32;\n@!%p1 bra TAKE;\nsetp.eq.u32 %p2, %r1, 0;\n@%p2 st.shared.u32 "
      "[sh], 77;\nbar.arrive 1, 64;\nbra.uni E;\nTAKE: bar.sync 1, 64;\nld.shared.u32 %r0, "
      "[sh];\nE:",
      [](uint32_t t) { return t < 32 ? 0U : 77U; }, 64, shared);
}

TEST_F(WarpTest, ALockInsideAWarpMakesProgress) {
  // Each lane takes the lock in turn: a warp that always ran the waiting lanes would never end.
  const std::string global = ".global .u32 lock = 0;\n.global .u32 sum = 0;";
  const auto got = threads(
      "SPIN: atom.global.cas.b32 %r2, [lock], 0, 1;\nsetp.ne.u32 %p1, %r2, 0;\n@%p1 bra SPIN;\n"
      "ld.volatile.global.u32 %r3, [sum];\nadd.u32 %r3, %r3, 1;\nst.volatile.global.u32 [sum], "
      "%r3;\nmembar.gl;\natom.global.exch.b32 %r4, [lock], 0;\nmov.u32 %r0, %r3;",
      32, global);
  uint32_t total = 0;
  for (const uint32_t v : got)
    total += v;
  EXPECT_EQ(total, 32U * 33 / 2);
}

TEST_F(WarpTest, SpecialRegisters) {
  expect(
      "mov.u32 %r0, %laneid;", [](uint32_t t) { return t % 32; }, 64);
  expect(
      "mov.u32 %r0, %warpid;", [](uint32_t t) { return t / 32; }, 64);
  expect(
      "mov.u32 %r0, %ntid.x;", [](uint32_t) { return 48U; }, 48);
  expect("mov.u32 %r0, %lanemask_lt;", [](uint32_t t) { return (1U << t) - 1; });
  expect("mov.u32 %r0, %lanemask_ge;", [](uint32_t t) { return ~0U << t; });
  expect("mov.u32 %r0, %nctaid.x;", [](uint32_t) { return 1U; });
  expect(
      "mov.u64 %d4, %clock64;\nadd.u32 %r5, %r1, 1;\nmov.u64 %d5, %clock64;\nsetp.ge.u64 %p1, %d5, "
      "%d4;\nselp.u32 %r0, 1, 0, %p1;",
      [](uint32_t) { return 1U; });
  expect("mov.u64 %d4, %globaltimer;\nsetp.ne.u64 %p1, %d4, 0;\nselp.u32 %r0, 1, 0, %p1;",
         [](uint32_t) { return 1U; });
}

}  // namespace
}  // namespace nampemu_test
