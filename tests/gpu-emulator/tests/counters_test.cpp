// The emulator's counters: instructions by class, sectors of global memory, conflicts of shared
// memory's banks.
#include "device_test.h"

namespace nampemu_test {
namespace {

class CountersTest : public DeviceTest {
 protected:
  // The counts of a warp of 32 threads over this body, less those over an empty one.
  nampemu_counters of(const std::string& body) {
    const Buffer memory(std::vector<uint32_t>(4096));
    nampemu_counters both[2] = {};
    for (int k = 0; k < 2; ++k) {
      nampemu_reset_counters();
      EXPECT_EQ(run(kernel("mov.u32 %r0, %tid.x;\ncvt.u64.u32 %d0, %r0;\n" +
                               (k != 0 ? body : std::string()),
                           1),
                    {memory.address()}),
                CUDA_SUCCESS)
          << findings();
      nampemu_get_kernel_counters("k", &both[k], sizeof both[k]);
    }
    EXPECT_EQ(nampemu_findings(), 0U) << findings();
    for (int c = 0; c < NAMPEMU_CLASSES; ++c)
      both[1].instructions[c] -= both[0].instructions[c];
    return both[1];
  }
};

TEST_F(CountersTest, InstructionsAreCountedByClassOnceAThread) {
  const nampemu_counters c =
      of("add.u32 %r1, %r0, 1;\nshl.b32 %r1, %r1, 2;\nsetp.lt.u32 %p1, %r1, 4;\n"
         "add.u64 %d1, %d0, 1;\n"
         "mov.f32 %r2, 0f3F800000;\nadd.f32 %r2, %r2, %r2;\nsetp.gt.f32 %p2, %r2, %r2;\n"
         "div.rn.f32 %r2, %r2, %r2;\nsqrt.rn.f32 %r2, %r2;\n"
         "cvt.f64.f32 %d2, %r2;\nmul.f64 %d2, %d2, %d2;\n"
         "ld.global.u32 %r3, [%a0];\nbar.sync 0;\nbra NEXT;\nNEXT:\nselp.f32 %r2, %r2, %r2, %p1;");
  const uint64_t expected[] = {
      /* integers */ 4, /* of 64 bits */ 1, /* floats */ 2,
      /* doubles */ 1,  /* cvt */ 1,        /* div, sqrt */ 2,
      /* mov */ 1,      /* ld */ 1,         /* bra */ 1,
      /* bar */ 1};
  uint64_t all = 0;
  for (int k = 0; k < NAMPEMU_CLASSES; ++k) {
    EXPECT_EQ(c.instructions[k], 32 * expected[k]) << "class " << k;
    all += 32 * expected[k];
  }
  // Four more come with the kernel: a parameter, %tid.x, its conversion, the return.
  EXPECT_EQ(c.thread_instructions, all + 32 * 4);
}

TEST_F(CountersTest, ASectorOf32BytesCountsOnceAWarpInstruction) {
  struct {
    const char* what;
    std::string address;
    std::string load;
    uint64_t sectors;
  } cases[] = {
      {"neighbours", "mad.wide.u32 %d1, %r0, 4, %a0;", "ld.global.u32 %r1, [%d1];", 4},
      {"neighbours off a sector", "mad.wide.u32 %d1, %r0, 4, %a0;", "ld.global.u32 %r1, [%d1+4];",
       5},
      {"one for all", "mov.u64 %d1, %a0;", "ld.global.u32 %r1, [%d1];", 1},
      {"every other word", "mad.wide.u32 %d1, %r0, 8, %a0;", "ld.global.u32 %r1, [%d1];", 8},
      {"16 bytes each", "mad.wide.u32 %d1, %r0, 16, %a0;",
       "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1];", 16},
      {"half a sector each", "mad.wide.u32 %d1, %r0, 32, %a0;",
       "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1];", 32},
      {"backwards", "sub.u32 %r2, 31, %r0;\nmad.wide.u32 %d1, %r2, 4, %a0;",
       "ld.global.u32 %r1, [%d1];", 4},
  };
  for (const auto& one : cases) {
    const nampemu_counters c = of(one.address + "\n" + one.load);
    EXPECT_EQ(c.sectors_loaded, one.sectors) << one.what;
    EXPECT_EQ(c.sectors_stored, 0U) << one.what;
  }
  EXPECT_EQ(of("mad.wide.u32 %d1, %r0, 4, %a0;\nst.global.u32 [%d1], %r0;").sectors_stored, 4U);
}

TEST_F(CountersTest, ABankOfSharedMemoryGivesOneWordATurn) {
  const std::string memory = ".shared .align 128 .b8 memory[4096];\n";
  // Writes all of it first: a lane its words, the next lanes' beside it.
  std::string fill = "mov.u32 %r1, memory;\nshl.b32 %r2, %r0, 2;\nadd.u32 %r1, %r1, %r2;\n";
  for (int row = 0; row < 32; ++row)
    fill += "st.shared.u32 [%r1+" + std::to_string(128 * row) + "], %r0;\n";
  fill += "bar.warp.sync 0xffffffff;\n";
  struct {
    const char* what;
    std::string offset;  // of a lane, into %r3
    std::string load;    // from [%r3]
    uint64_t conflicts;
  } cases[] = {
      {"neighbours", "shl.b32 %r3, %r0, 2;", "ld.shared.u32 %r4, [%r3];", 0},
      {"neighbours backwards", "sub.u32 %r3, 31, %r0;\nshl.b32 %r3, %r3, 2;",
       "ld.shared.u32 %r4, [%r3];", 0},
      {"one word for all", "mov.u32 %r3, 64;", "ld.shared.u32 %r4, [%r3];", 0},
      {"two words of a bank", "and.b32 %r3, %r0, 1;\nshl.b32 %r3, %r3, 7;",
       "ld.shared.u32 %r4, [%r3];", 1},
      {"every other word", "shl.b32 %r3, %r0, 3;", "ld.shared.u32 %r4, [%r3];", 1},
      {"a column", "shl.b32 %r3, %r0, 7;", "ld.shared.u32 %r4, [%r3];", 31},
      {"halves of words", "shl.b32 %r3, %r0, 1;", "ld.shared.u16 %h1, [%r3];", 0},
      {"8 bytes each", "shl.b32 %r3, %r0, 3;", "ld.shared.v2.u32 {%r4, %r5}, [%r3];", 0},
      // Lanes 0 and 15 of each half have the same banks.
      {"8 bytes each, one lane beyond",
       "mul.lo.u32 %r3, %r0, 8;\nand.b32 %r4, %r0, 15;\n"
       "setp.eq.u32 %p1, %r4, 15;\n@%p1 add.u32 %r3, %r3, 8;",
       "ld.shared.v2.u32 {%r4, %r5}, [%r3];", 2},
      {"16 bytes each", "shl.b32 %r3, %r0, 4;", "ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r3];", 0},
      // Eight lanes are a turn: four with one row, four with the next, on the same banks.
      {"16 bytes each in rows of 128",
       "and.b32 %r3, %r0, 3;\nshl.b32 %r3, %r3, 4;\n"
       "shr.u32 %r4, %r0, 2;\nshl.b32 %r4, %r4, 7;\nadd.u32 %r3, %r3, %r4;",
       "ld.shared.v4.u32 {%r4, %r5, %r6, %r7}, [%r3];", 4},
      {"matrices with rows of 16 bytes", "shl.b32 %r3, %r0, 4;",
       "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r3];", 0},
      {"matrices with rows of 64 bytes", "shl.b32 %r3, %r0, 6;",
       "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r4, %r5, %r6, %r7}, [%r3];", 12},
      {"two matrices, rows of 128 bytes", "shl.b32 %r3, %r0, 7;",
       "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r4, %r5}, [%r3];", 14},
      {"atomics", "shl.b32 %r3, %r0, 7;", "red.shared.add.u32 [%r3], 1;", 0},
  };
  for (const auto& one : cases) {
    const nampemu_counters c = of(memory + fill + one.offset +
                                  "\nmov.u32 %r8, memory;\nadd.u32 %r3, %r3, %r8;\n" + one.load);
    EXPECT_EQ(c.bank_conflicts, one.conflicts) << one.what;
  }
  // Stores, and copies when they land.
  EXPECT_EQ(of(memory + "mov.u32 %r3, memory;\nshl.b32 %r4, %r0, 7;\nadd.u32 %r3, %r3, %r4;\n"
                        "st.shared.u32 [%r3], %r0;")
                .bank_conflicts,
            31U);
  EXPECT_EQ(of(memory + "mov.u32 %r3, memory;\nshl.b32 %r4, %r0, 5;\nadd.u32 %r3, %r3, %r4;\n"
                        "mad.wide.u32 %d1, %r0, 16, %a0;\n"
                        "cp.async.cg.shared.global [%r3], [%d1], 16;\ncp.async.wait_all;")
                .bank_conflicts,
            4U);
}

}  // namespace
}  // namespace nampemu_test
