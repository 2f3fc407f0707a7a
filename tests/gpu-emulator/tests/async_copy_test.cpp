// cp.async: what lands, when it lands, and who may touch it meanwhile.
#include "device_test.h"

namespace nampemu_test {
namespace {

class AsyncCopyTest : public DeviceTest {
 protected:
  using Words = std::vector<uint32_t>;

  // Of thread t: %r20 t; %r21 its 32 bytes of shared memory; %d1 its 32 bytes of the second buffer, %d2 its 16 bytes of the first, where it leaves
  // %r0 to %r3.
  static std::string around(const std::string& body) {
    return kernel(
        "mov.u32 %r20, %tid.x;\nshl.b32 %r21, %r20, 5;\nmov.u32 %r22, sh;\n"
        "add.u32 %r21, %r21, %r22;\nmul.wide.u32 %d1, %r20, 32;\nadd.u64 %d1, %d1, %a1;\n"
        "mul.wide.u32 %d2, %r20, 16;\nadd.u64 %d2, %d2, %a0;\n"
        "mov.u32 %r0, 0;\nmov.u32 %r1, 0;\nmov.u32 %r2, 0;\nmov.u32 %r3, 0;\n" +
            body + "\nst.global.v4.u32 [%d2], {%r0, %r1, %r2, %r3};",
        2, ".shared .align 16 .b8 sh[2048];");
  }
  // Word w of the second buffer, of every thread's eight.
  static uint32_t source(uint32_t w) { return 0x01010101U * (w % 199 + 1); }

  Words words(const std::string& body, unsigned threads = 32) {
    Words values(size_t{threads} * 8);
    for (uint32_t w = 0; w < values.size(); ++w)
      values[w] = source(w);
    const Buffer from(values), out(Words(size_t{threads} * 4));
    EXPECT_EQ(run(around(body), {out.address(), from.address()}, 1, threads), CUDA_SUCCESS)
        << findings();
    return out.read<uint32_t>();
  }
  // No findings; what thread 1 leaves.
  Words clean(const std::string& body, unsigned threads = 32) {
    const Words all = words(body, threads);
    EXPECT_EQ(nampemu_findings(), 0U) << body << "\n" << findings();
    return {all.begin() + 4, all.begin() + 8};
  }
  // Races, one of them in these words; what thread 1 leaves.
  Words race(const std::string& body, const std::string& text, unsigned threads = 32,
             size_t count = 1) {
    const Words all = words(body, threads);
    EXPECT_EQ(nampemu_findings_of(NAMPEMU_RACE), count) << body << "\n" << findings();
    EXPECT_NE(findings().find(text), std::string::npos) << findings();
    nampemu_reset();
    return {all.begin() + 4, all.begin() + 8};
  }
  // Loading says this in some words.
  void refused(const std::string& instruction, const std::string& text,
               const std::string& target = "sm_80") {
    std::string all = around(instruction);
    const std::string error = load_error(all.replace(all.find("sm_80"), 5, target));
    EXPECT_NE(error.find(text), std::string::npos) << instruction << ": " << error;
  }

  static constexpr const char* kWait = "cp.async.commit_group;\ncp.async.wait_group 0;\n";
  static constexpr const char* kRead = "ld.shared.v4.u32 {%r0, %r1, %r2, %r3}, [%r21];\n";
  static constexpr const char* kFill =
      "st.shared.v4.u32 [%r21], {7, 7, 7, 7};\nst.shared.v4.u32 [%r21+16], {7, 7, 7, 7};\n";
};

TEST_F(AsyncCopyTest, EverySizeLandsAtTheWait) {
  const std::string fill = kFill;
  EXPECT_EQ(clean(fill + "cp.async.ca.shared.global [%r21+4], [%d1+8], 4;\n" + kWait + kRead),
            (Words{7, source(8 + 2), 7, 7}));
  EXPECT_EQ(clean(fill + "cp.async.ca.shared.global [%r21+8], [%d1], 8;\n" + kWait + kRead),
            (Words{7, 7, source(8), source(9)}));
  const Words all = {source(12), source(13), source(14), source(15)};
  EXPECT_EQ(clean("cp.async.ca.shared.global [%r21], [%d1+16], 16;\n" + std::string(kWait) + kRead),
            all);
  EXPECT_EQ(clean("cp.async.cg.shared.global.L2::128B [%r21], [%d1+16], 16;\n"
                  "cp.async.wait_all;\n" +
                  std::string(kRead)),
            all);
}

TEST_F(AsyncCopyTest, WhatIsNotReadIsZero) {
  const std::string fill = kFill;
  const auto of = [&](const std::string& bytes, const std::string& before = "") {
    return clean(fill + before + "cp.async.cg.shared.global [%r21], [%d1], 16, " + bytes + ";\n" +
                 kWait + kRead);
  };
  EXPECT_EQ(of("8"), (Words{source(8), source(9), 0, 0}));
  EXPECT_EQ(of("6"), (Words{source(8), source(9) & 0xffff, 0, 0}));
  EXPECT_EQ(of("3"), (Words{source(8) & 0xffffff, 0, 0, 0}));
  // Of nothing the address is not looked at. Each thread has its own size.
  EXPECT_EQ(of("0", "mov.u64 %d1, 12345;\n"), (Words{0, 0, 0, 0}));
  EXPECT_EQ(of("%r5", "mul.lo.u32 %r5, %r20, 12;\nmin.u32 %r5, %r5, 16;\n"),
            (Words{source(8), source(9), source(10), 0}));
  words(fill + "cp.async.ca.shared.global [%r21], [%d1], 8, 9;\n" + kWait);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_OUT_OF_BOUNDS), 1U) << findings();
}

// Three groups, each of one word; the third word stays as it was, since nobody waits for it.
TEST_F(AsyncCopyTest, GroupsLandInTheirOrder) {
  std::string body = kFill;
  for (const char* at : {"0", "4", "8"}) {
    body += "cp.async.ca.shared.global [%r21+" + std::string(at) + "], [%d1+" + at +
            "], 4;\ncp.async.commit_group;\n";
  }
  const std::string two = "ld.shared.v2.u32 {%r0, %r1}, [%r21];\n";
  EXPECT_EQ(clean(body + "cp.async.wait_group 1;\n" + two), (Words{source(8), source(9), 0, 0}));
  EXPECT_EQ(clean(body + "cp.async.wait_group 0;\n" + kRead),
            (Words{source(8), source(9), source(10), 7}));
  const char* early = "where a cp.async writes that nobody has waited for";
  EXPECT_EQ(race(body + "cp.async.wait_group 2;\n" + two, early), (Words{source(8), 7, 0, 0}));
  EXPECT_EQ(race(body + "cp.async.wait_group 3;\n" + two, early), (Words{7, 7, 0, 0}));
  // A copy that is not committed is in no group, and no wait for groups is for it; an empty group counts.
  EXPECT_EQ(race(body +
                     "cp.async.ca.shared.global [%r21+12], [%d1+12], 4;\n"
                     "cp.async.wait_group 0;\n" +
                     kRead,
                 early),
            (Words{source(8), source(9), source(10), 7}));
  EXPECT_EQ(clean(body + "cp.async.commit_group;\ncp.async.wait_group 1;\n" + kRead),
            (Words{source(8), source(9), source(10), 7}));
}

TEST_F(AsyncCopyTest, WithoutAWaitMemoryIsAsItWas) {
  const std::string copy = "cp.async.cg.shared.global [%r21], [%d1], 16;\n";
  const std::string commit = "cp.async.commit_group;\n";
  const char* early = "where a cp.async writes that nobody has waited for";
  EXPECT_EQ(race(kFill + copy + commit + kRead, early), (Words{7, 7, 7, 7}));
  // A barrier is no wait, nor is a fence.
  EXPECT_EQ(race(kFill + copy + commit + "bar.sync 0;\nmembar.gl;\n" + kRead, early),
            (Words{7, 7, 7, 7}));
  race(copy + commit + "st.shared.u32 [%r21+12], 1;\n", early);
  race(copy + copy + kWait, early);
  words(copy + commit + kRead);
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_UNWRITTEN_READ), 1U) << findings();
}

TEST_F(AsyncCopyTest, OthersNeedABarrierBehindTheWait) {
  const std::string copy = "cp.async.cg.shared.global [%r21], [%d1], 16;\n" + std::string(kWait);
  // The lane beside, then the thread of the next warp.
  const std::string beside = "xor.b32 %r21, %r21, 32;\n";
  const std::string next = "xor.b32 %r21, %r21, 1024;\n";
  const Words from_beside = {source(0), source(1), source(2), source(3)};
  EXPECT_EQ(clean(copy + "bar.warp.sync -1;\n" + beside + kRead), from_beside);
  race(copy + beside + kRead, "a read of what another thread wrote");
  EXPECT_EQ(clean(copy + "bar.sync 0;\n" + next + kRead, 64),
            (Words{source(8 * 33), source(8 * 33 + 1), source(8 * 33 + 2), source(8 * 33 + 3)}));
  race(copy + "bar.warp.sync -1;\n" + next + kRead, "a read of what another thread wrote", 64,
       2);  // each warp reads the other's
  // A barrier between issue and wait orders nothing.
  const std::string late = "cp.async.cg.shared.global [%r21], [%d1], 16;\nbar.sync 0;\n";
  race(late + kWait + next + kRead, "where a cp.async writes that nobody has waited for", 64, 2);
}

// From its issue on the copy may write: who still reads what was there has to be ordered before that.
TEST_F(AsyncCopyTest, OthersAreDoneBeforeTheIssue) {
  const std::string read_beside =
      std::string(kFill) + "bar.sync 0;\nxor.b32 %r23, %r21, 32;\nld.shared.u32 %r4, [%r23];\n";
  const std::string copy = "cp.async.cg.shared.global [%r21], [%d1], 16;\n";
  EXPECT_EQ(clean(read_beside + "bar.sync 0;\n" + copy + kWait + "bar.sync 0;\n" + kRead),
            (Words{source(8), source(9), source(10), source(11)}));
  race(read_beside + copy + "bar.sync 0;\n" + kWait + kRead,
       "a write over what another thread reads");
}

TEST_F(AsyncCopyTest, TheSourceStaysUntilTheWait) {
  const std::string copy = "cp.async.cg.shared.global [%r21], [%d1], 16;\n";
  EXPECT_EQ(clean(copy + kWait + "st.global.u32 [%d1+4], 5;\n" + kRead),
            (Words{source(8), source(9), source(10), source(11)}));
  EXPECT_EQ(race(copy + "st.global.u32 [%d1+4], 5;\n" + kWait + kRead,
                 "what the copy reads was written before a wait for it"),
            (Words{source(8), 5, source(10), source(11)}));
}

TEST_F(AsyncCopyTest, BothAddressesAreChecked) {
  const Buffer from(Words(256, 1)), out(Words(128)), unwritten(1024);
  const auto find = [&](const std::string& body, uint64_t source_address, CUresult wanted,
                        nampemu_kind kind, const std::string& text) {
    EXPECT_EQ(run(around(body), {out.address(), source_address}), wanted) << findings();
    EXPECT_EQ(nampemu_findings_of(kind), 1U) << body << findings();
    EXPECT_NE(findings().find(text), std::string::npos) << text << " in " << findings();
    nampemu_reset();
  };
  const auto copy = [](const std::string& to, const std::string& source) {
    return "cp.async.ca.shared.global [%r21+" + to + "], [%d1+" + source + "], 16;\n" + kWait;
  };
  find(copy("8", "0"), from.address(), CUDA_ERROR_MISALIGNED_ADDRESS, NAMPEMU_MISALIGNED,
       "a store of 16 bytes");
  find(copy("0", "8"), from.address(), CUDA_ERROR_MISALIGNED_ADDRESS, NAMPEMU_MISALIGNED,
       "a load of 16 bytes");
  find(copy("1056", "0"), from.address(), CUDA_ERROR_ILLEGAL_ADDRESS, NAMPEMU_OUT_OF_BOUNDS,
       "of 2048 bytes of shared memory");
  find(copy("0", "32"), from.address(), CUDA_ERROR_ILLEGAL_ADDRESS, NAMPEMU_OUT_OF_BOUNDS,
       "after an allocation of 1024 bytes");
  find(copy("0", "0"), unwritten.address(), CUDA_SUCCESS, NAMPEMU_UNWRITTEN_READ, "global memory");
}

TEST_F(AsyncCopyTest, TheEndOfAThreadIsAWait) {
  nampemu_counters counters{};
  clean("cp.async.cg.shared.global [%r21], [%d1], 16;\n");
  nampemu_get_counters(&counters, sizeof counters);
  EXPECT_EQ(counters.shared.stored[4], 32U * 16);
  EXPECT_EQ(counters.global.loaded[4], 32U * 16);
}

TEST_F(AsyncCopyTest, WhatIsNoCopy) {
  const std::string copy = "cp.async.ca.shared.global [%r21], [%d1], ";
  refused(copy + "16;", "needs sm_80, and the module is for sm_75", "sm_75");
  refused("cp.async.wait_all;", "needs sm_80, and the module is for sm_75", "sm_75");
  refused(copy + "12;", "a copy of 12 bytes isn't possible");
  refused("cp.async.cg.shared.global [%r21], [%d1], 8;", "a copy of 8 bytes isn't possible");
  refused("cp.async.ca.shared [%r21], [%d1], 8;", ".global is missing");
  refused("cp.async.wait_group %r1;", "a constant is needed");
}

}  // namespace
}  // namespace nampemu_test
