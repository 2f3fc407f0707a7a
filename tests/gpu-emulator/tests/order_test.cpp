// Patterns that order one thread's accesses before another's: each with all that it needs, and without one part of it, when it does not.
#include "device_test.h"

namespace nampemu_test {
namespace {

class OrderTest : public DeviceTest {
 protected:
  // Whether running it is a race; a read that comes too early may find nothing written as well.
  bool races(const std::string& body, unsigned blocks, unsigned threads,
             const std::string& before = "") {
    const Buffer data(std::vector<uint32_t>(512, 0)), flags(std::vector<uint32_t>(16, 0));
    nampemu_reset();
    EXPECT_EQ(run(kernel(body, 2, before), {data.address(), flags.address()}, blocks, threads),
              CUDA_SUCCESS);
    const size_t found = nampemu_findings_of(NAMPEMU_RACE);
    EXPECT_EQ(nampemu_findings(),
              found == 0 ? 0 : found + nampemu_findings_of(NAMPEMU_UNWRITTEN_READ))
        << findings();
    return found != 0;
  }
  // One thread a block runs the part of its block's number.
  static std::string by_block(const std::vector<std::string>& parts) {
    std::string code = "mov.u32 %r1, %ctaid.x;\n";
    for (size_t k = 0; k < parts.size(); ++k) {
      const std::string number = std::to_string(k);
      code += "setp.ne.u32 %p1, %r1, " + number + ";\n@%p1 bra AFTER" + number + ";\n" + parts[k] +
              "\nAFTER" + number + ":\n";
    }
    return code;
  }
  static constexpr const char* kWrite = "st.global.u32 [%a0], 7;\n";
  static constexpr const char* kRead = "ld.global.u32 %r9, [%a0];\n";
  static constexpr const char* kShared = ".shared .align 16 .b8 sh[1024];";
};

TEST_F(OrderTest, AMessageNeedsAFenceOnEitherSideAndAnAtomicFlag) {
  const auto message = [&](const std::string& writer, const std::string& reader) {
    return races(by_block({kWrite + writer, reader + "\n" + kRead}), 2, 1);
  };
  const std::string raise = "st.relaxed.gpu.global.u32 [%a1], 1;\n";
  const std::string look = "ld.relaxed.gpu.global.u32 %r2, [%a1];\n";
  const std::string fence = "fence.acq_rel.gpu;\n";
  EXPECT_FALSE(message(fence + raise, look + fence));
  EXPECT_TRUE(message(raise, look + fence)) << "no fence before the flag";
  EXPECT_TRUE(message(fence + raise, look)) << "no fence behind the flag";
  EXPECT_TRUE(message(raise + fence, look + fence)) << "the fence after the flag";
  EXPECT_TRUE(message(fence + raise, fence + look)) << "the fence before the look";
  EXPECT_TRUE(message("fence.acq_rel.cta;\n" + raise, look + fence)) << "a fence for the block";
  EXPECT_TRUE(message(fence + raise, look + "membar.cta;")) << "a fence for the block";
  EXPECT_TRUE(message(fence + "st.global.u32 [%a1], 1;", look + fence)) << "a plain flag";
  EXPECT_TRUE(message(fence + raise, "ld.global.u32 %r2, [%a1];\n" + fence)) << "a plain look";
  EXPECT_TRUE(message(fence + "st.relaxed.cta.global.u32 [%a1], 1;", look + fence))
      << "a flag for the block";
  EXPECT_TRUE(message(fence + raise, "ld.relaxed.gpu.global.u32 %r2, [%a1+4];\n" + fence))
      << "another flag";
}

TEST_F(OrderTest, AtomicsOfTheBlockAreNoneToOtherBlocks) {
  EXPECT_FALSE(races("red.relaxed.gpu.global.add.u32 [%a1], 1;", 2, 32));
  EXPECT_FALSE(races("red.relaxed.cta.global.add.u32 [%a1], 1;", 1, 64));
  EXPECT_TRUE(races("red.relaxed.cta.global.add.u32 [%a1], 1;", 2, 32));
}

// A read that nothing orders behind a write of another block may miss it.
TEST_F(OrderTest, OtherBlocksWritesBecomeVisibleLate) {
  const auto got = [&](const std::string& fence, const std::string& read) {
    const Buffer data(std::vector<uint32_t>{1, 0}), flag(std::vector<uint32_t>{0});
    EXPECT_EQ(run(kernel(by_block({kWrite + fence + "atom.global.exch.b32 %r2, [%a1], 1;",
                                   "atom.global.or.b32 %r2, [%a1], 0;\n" + fence + read +
                                       "\nst.global.u32 [%a0+4], %r9;"}),
                         2),
                  {data.address(), flag.address()}, 2, 1),
              CUDA_SUCCESS);
    return data.read<uint32_t>();
  };
  EXPECT_EQ(got("membar.gl;\n", kRead), (std::vector<uint32_t>{7, 7}));
  EXPECT_EQ(got("", kRead), (std::vector<uint32_t>{7, 1}));
  EXPECT_EQ(got("", "ld.global.nc.u8 %r9, [%a0];"), (std::vector<uint32_t>{7, 1}));
  EXPECT_EQ(got("", std::string(kRead) + kRead), (std::vector<uint32_t>{7, 7}))
      << "late, not never";
}

TEST_F(OrderTest, AMessageByEachOfTheWaysThatPtxHas) {
  const auto message = [&](const std::string& writer, const std::string& reader) {
    return races(by_block({kWrite + writer, reader + "\n" + kRead}), 2, 1);
  };
  EXPECT_FALSE(
      message("st.release.gpu.global.u32 [%a1], 1;", "ld.acquire.gpu.global.u32 %r2, [%a1];"));
  EXPECT_TRUE(
      message("st.release.cta.global.u32 [%a1], 1;", "ld.acquire.gpu.global.u32 %r2, [%a1];"));
  EXPECT_TRUE(
      message("st.release.gpu.global.u32 [%a1], 1;", "ld.acquire.cta.global.u32 %r2, [%a1];"));
  EXPECT_FALSE(message("membar.gl;\nst.volatile.global.u32 [%a1], 1;",
                       "ld.volatile.global.u32 %r2, [%a1];\nmembar.sys;"));
  EXPECT_FALSE(message("fence.sc.sys;\natom.global.exch.b32 %r2, [%a1], 1;",
                       "atom.acquire.gpu.global.or.b32 %r2, [%a1], 0;"));
  EXPECT_FALSE(message("red.release.gpu.global.add.u32 [%a1], 1;",
                       "atom.acq_rel.gpu.global.add.u32 %r2, [%a1], 1;"));
  EXPECT_TRUE(message("red.relaxed.gpu.global.add.u32 [%a1], 1;",
                      "atom.acq_rel.gpu.global.add.u32 %r2, [%a1], 1;"));
  EXPECT_TRUE(message("red.release.gpu.global.add.u32 [%a1], 1;",
                      "red.relaxed.gpu.global.add.u32 [%a1], 1;\nfence.acq_rel.gpu;"))
      << "red tells nothing of what was there";
}

TEST_F(OrderTest, MessagesArePassedOn) {
  const std::string raise = "fence.acq_rel.gpu;\nst.relaxed.gpu.global.u32 [%a1], 1;";
  const std::string add = "atom.relaxed.gpu.global.add.u32 %r2, [%a1], 1;\n";
  const std::string fenced = add + "fence.acq_rel.gpu;\n";
  EXPECT_FALSE(races(
      by_block({kWrite + raise,
                "ld.acquire.gpu.global.u32 %r2, [%a1];\nst.release.gpu.global.u32 [%a1+4], 1;",
                std::string("ld.acquire.gpu.global.u32 %r2, [%a1+4];\n") + kRead}),
      3, 1));
  EXPECT_TRUE(races(
      by_block({kWrite + raise,
                "ld.relaxed.gpu.global.u32 %r2, [%a1];\nst.relaxed.gpu.global.u32 [%a1+4], 1;",
                std::string("ld.acquire.gpu.global.u32 %r2, [%a1+4];\n") + kRead}),
      3, 1));
  // An atomic between the two carries it on, whatever it orders itself; a store ends it.
  EXPECT_FALSE(races(by_block({kWrite + raise, add, fenced + kRead}), 3, 1));
  EXPECT_TRUE(races(
      by_block({kWrite + raise, "st.relaxed.gpu.global.u32 [%a1], 2;", fenced + kRead}), 3, 1));
}

// 64 threads of each of 4 blocks write a word each; the block that comes last reads all of them.
TEST_F(OrderTest, TheLastBlockNeedsItsBarriersAndFences) {
  struct Parts {
    std::string before = "bar.sync 0;\n";                         // all threads
    std::string ticket = "membar.gl;\n", taken = "membar.gl;\n";  // thread 0, around its atomic
    std::string after = "bar.sync 0;\n";
    std::string reading = "";  // all threads of the last block
  };
  const auto last_block = [&](const Parts& parts) {
    return races(
        "mov.u32 %r1, %tid.x;\nmov.u32 %r2, %ctaid.x;\nmov.u32 %r3, %ntid.x;\n"
        "mad.lo.u32 %r4, %r2, %r3, %r1;\nmul.wide.u32 %d1, %r4, 4;\nadd.u64 %d2, %a0, %d1;\n"
        "st.global.u32 [%d2], %r4;\nmov.u32 %r5, sh;\nsetp.ne.u32 %p1, %r1, 0;\n" +
            parts.before + "@%p1 bra JOIN;\n" + parts.ticket +
            "atom.global.add.u32 %r6, [%a1], 1;\n" + parts.taken +
            "st.shared.u32 [%r5], %r6;\nJOIN:\n" + parts.after +
            "bar.sync 1;\nld.shared.u32 %r7, [%r5];\nsetp.ne.u32 %p2, %r7, 3;\n@%p2 bra DONE;\n" +
            parts.reading +
            "mul.wide.u32 %d3, %r1, 16;\nadd.u64 %d4, %a0, %d3;\n"
            "ld.global.v4.u32 {%r8, %r9, %r10, %r11}, [%d4];\nDONE:\n",
        4, 64, kShared);
  };
  EXPECT_FALSE(last_block({}));
  EXPECT_TRUE(last_block({.ticket = ""})) << "no fence before the ticket";
  EXPECT_TRUE(last_block({.taken = ""})) << "no fence behind the ticket";
  EXPECT_TRUE(last_block({.before = ""})) << "no barrier before the ticket";
  EXPECT_TRUE(last_block({.ticket = "membar.cta;\n"})) << "a fence for the block";
  // Each thread fences what it wrote itself, and what it reads.
  EXPECT_FALSE(last_block({"membar.gl;\nbar.sync 0;\n", "", "", "bar.sync 0;\nmembar.gl;\n"}));
  EXPECT_TRUE(last_block({"membar.gl;\n", "", "", "bar.sync 0;\nmembar.gl;\n"}))
      << "fences, and no barrier before the ticket";
  EXPECT_TRUE(last_block({"@!%p1 membar.gl;\nbar.sync 0;\n", "", "", "bar.sync 0;\nmembar.gl;\n"}))
      << "a fence before the barrier, by one thread for all";
  const Parts late{"membar.gl;\nbar.sync 0;\n", "", "", "bar.sync 0;\n", "membar.gl;\n"};
  EXPECT_FALSE(last_block(late));
  Parts some = late;
  some.reading = "@%p1 membar.gl;\n";
  EXPECT_TRUE(last_block(some)) << "one that reads without a fence";
}

// Who writes and reads is another lane, or another warp, than who passes the message.
TEST_F(OrderTest, BarriersOfSomeCarryMessagesOfOtherBlocks) {
  const auto message = [&](unsigned threads, const std::string& barrier, const std::string& fence) {
    return races(
        "mov.u32 %r1, %ctaid.x;\nmov.u32 %r2, %tid.x;\nmov.u32 %r3, %ntid.x;\nsetp.ne.u32 %p1, "
        "%r1, 0;\n"
        "setp.ne.u32 %p2, %r2, 0;\nshr.u32 %r3, %r3, 1;\nsub.u32 %r3, %r3, 1;\nsetp.ne.u32 %p3, "
        "%r2, %r3;\n"
        "setp.gt.u32 %p4, %r2, %r3;\n@%p4 exit;\n@%p1 bra READER;\n@!%p3 st.global.u32 [%a0], "
        "7;\n" +
            barrier + "@%p2 bra DONE;\n" + fence +
            "st.relaxed.gpu.global.u32 [%a1], 1;\nbra DONE;\nREADER:\n"
            "@%p2 bra JOIN;\nld.relaxed.gpu.global.u32 %r4, [%a1];\n" +
            fence + "JOIN:\n" + barrier + "@!%p3 ld.global.u32 %r5, [%a0];\nDONE:",
        2, threads);
  };
  // The first half of a block of a warp, or of four.
  EXPECT_FALSE(message(32, "bar.warp.sync 0xffff;\n", "membar.gl;\n"));
  EXPECT_TRUE(message(32, "bar.warp.sync 0xffff;\n", ""));
  EXPECT_TRUE(message(32, "", "membar.gl;\n"));
  EXPECT_FALSE(message(128, "bar.sync 1, 64;\n", "membar.gl;\n"));
  EXPECT_TRUE(message(128, "bar.sync 1, 64;\n", ""));
  EXPECT_TRUE(message(128, "", "membar.gl;\n"));
  // The whole of one of two.
  EXPECT_FALSE(message(64, "bar.warp.sync -1;\n", "membar.gl;\n"));
  EXPECT_TRUE(message(64, "bar.warp.sync -1;\n", ""));
}

TEST_F(OrderTest, ALockKeepsBlocksApart) {
  const auto count = [&](const std::string& locked, const std::string& unlocking) {
    return races(
        "L: atom.global.cas.b32 %r1, [%a1], 0, 1;\nsetp.ne.u32 %p1, %r1, 0;\n@%p1 bra L;\n" +
            locked +
            "ld.global.u32 %r2, [%a0];\nadd.u32 %r2, %r2, 1;\nst.global.u32 [%a0], %r2;\n" +
            unlocking + "atom.global.exch.b32 %r3, [%a1], 0;",
        8, 1);
  };
  EXPECT_FALSE(count("membar.gl;\n", "membar.gl;\n"));
  EXPECT_TRUE(count("", "membar.gl;\n"));
  EXPECT_TRUE(count("membar.gl;\n", ""));
}

TEST_F(OrderTest, WarpsOfABlockMayUseAFlag) {
  const auto pass = [&](const std::string& writer, const std::string& reader) {
    return races(
        "mov.u32 %r1, %tid.x;\nmov.u32 %r2, sh;\nsetp.ne.u32 %p1, %r1, 0;\n@%p1 bra OTHERS;\n"
        "st.shared.u32 [%r2], 7;\n" +
            writer +
            "st.volatile.shared.u32 [%r2+4], 1;\nbra DONE;\n"
            "OTHERS:\nsetp.ne.u32 %p2, %r1, 32;\n@%p2 bra DONE;\nL: ld.volatile.shared.u32 %r3, "
            "[%r2+4];\nsetp.eq.u32 %p3, %r3, 0;\n@%p3 bra L;\n" +
            reader + "ld.shared.u32 %r4, [%r2];\nDONE:\n",
        1, 64, kShared);
  };
  EXPECT_FALSE(pass("membar.cta;\n", "membar.cta;\n"));
  EXPECT_FALSE(pass("fence.sc.gpu;\n", "fence.acq_rel.cta;\n"));
  EXPECT_TRUE(pass("", "membar.cta;\n"));
  EXPECT_TRUE(pass("membar.cta;\n", ""));
}

// Three warps; each thread writes its word of shared memory and, after the code, reads that of 32 threads on (the last warp: the first's).
TEST_F(OrderTest, ABarrierOfSomeOrdersThose) {
  const auto code = [&](const std::string& barrier, unsigned reading_warp) {
    return races(
        "mov.u32 %r1, %tid.x;\nmov.u32 %r2, sh;\nshr.u32 %r3, %r1, 5;\nshl.b32 %r4, %r1, 2;\n"
        "add.u32 %r5, %r2, %r4;\nst.shared.u32 [%r5], %r1;\n" +
            barrier + "\nsetp.ne.u32 %p1, %r3, " + std::to_string(reading_warp) +
            ";\n@%p1 bra DONE;\nadd.u32 %r6, %r1, 32;\nrem.u32 %r6, %r6, 96;\nshl.b32 %r6, %r6, "
            "2;\n"
            "add.u32 %r6, %r2, %r6;\nld.shared.u32 %r7, [%r6];\nDONE:\n",
        1, 96, kShared);
  };
  const std::string first_two = "setp.eq.u32 %p2, %r3, 2;\n@%p2 bra OVER;\nbar.sync 1, 64;\nOVER:";
  EXPECT_FALSE(code(first_two, 0));
  EXPECT_TRUE(code(first_two, 1)) << "the third warp was not at the barrier";
  EXPECT_TRUE(code(first_two, 2));
  // The first two, then the last two: what the first wrote is before what the last reads.
  EXPECT_FALSE(
      code(first_two + "\nsetp.eq.u32 %p3, %r3, 0;\n@%p3 bra END;\nbar.sync 2, 64;\nEND:", 2));
  // One that only arrives goes on before the others come.
  const auto arrive = [&](const char* of_first, const char* of_second) {
    return std::string(
               "setp.eq.u32 %p2, %r3, 2;\n@%p2 bra OVER;\nsetp.eq.u32 %p3, %r3, 1;\n@%p3 bra "
               "SECOND;\n") +
           of_first + "\nbra OVER;\nSECOND: " + of_second + "\nOVER:";
  };
  EXPECT_FALSE(code(arrive("bar.sync 1, 64;", "bar.arrive 1, 64;"), 0));
  EXPECT_TRUE(code(arrive("bar.arrive 1, 64;", "bar.sync 1, 64;"), 0));
}

// Each lane writes its word and reads that of another lane, both of the lower half.
TEST_F(OrderTest, AWarpBarrierOfSomeLanesOrdersThose) {
  const auto code = [&](const std::string& barrier, unsigned bits) {
    return races(
        "mov.u32 %r1, %tid.x;\nmov.u32 %r2, sh;\nshl.b32 %r4, %r1, 2;\nadd.u32 %r5, %r2, %r4;\n"
        "st.shared.u32 [%r5], %r1;\nsetp.ge.u32 %p1, %r1, 16;\n" +
            barrier + "\n@%p1 bra DONE;\nxor.b32 %r6, %r4, " + std::to_string(4 * bits) +
            ";\nadd.u32 %r6, %r2, %r6;\nld.shared.u32 %r7, [%r6];\nDONE:\n",
        1, 32, kShared);
  };
  const std::string half = "@!%p1 bar.warp.sync 0xffff;";
  EXPECT_FALSE(code(half, 1));
  EXPECT_FALSE(code(half, 8));
  EXPECT_TRUE(code(half, 16)) << "the upper half was not there";
  EXPECT_FALSE(code("bar.warp.sync -1;\n" + half, 16)) << "an earlier barrier had them all";
}

}  // namespace
}  // namespace nampemu_test
