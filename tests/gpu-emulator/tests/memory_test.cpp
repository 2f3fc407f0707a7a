// Address spaces, widths, conversions of addresses, atomics.
#include <bit>

#include "instruction_test.h"

namespace nampemu_test {
namespace {

class MemoryTest : public InstructionTest {
 protected:
  // Runs one thread that leaves two words at %a0.
  std::vector<uint32_t> words(const std::string& body, const std::string& before = "",
                              unsigned dynamic = 0) {
    const std::vector<uint32_t> zeros(2);
    const Buffer out(zeros);
    EXPECT_EQ(run(kernel(body + "\nst.global.v2.u32 [%a0], {%r0, %r1};", 1, before),
                  {out.address()}, 1, 1, dynamic),
              CUDA_SUCCESS)
        << findings();
    EXPECT_EQ(nampemu_findings(), 0U) << findings();
    return out.read<uint32_t>();
  }
  using Words = std::vector<uint32_t>;
};

TEST_F(MemoryTest, NarrowLoadsExtend) {
  const std::string data = ".global .align 4 .u32 v = 0xfffe80ff;";
  EXPECT_EQ(words("ld.global.u8 %r0, [v];\nld.global.s8 %r1, [v];", data),
            (Words{0xff, 0xffffffff}));
  EXPECT_EQ(words("ld.global.u16 %r0, [v];\nld.global.s16 %r1, [v];", data),
            (Words{0x80ff, 0xffff80ff}));
  EXPECT_EQ(words("ld.global.s16 %d3, [v];\nmov.b64 {%r0, %r1}, %d3;", data),
            (Words{0xffff80ff, 0xffffffff}));
  EXPECT_EQ(words("mov.u32 %r5, 0x12345678;\nst.global.u8 [v+1], %r5;\nld.global.u32 %r0, "
                  "[v];\nmov.u32 %r1, 0;",
                  data),
            (Words{0xfffe78ff, 0}));
  EXPECT_EQ(words("ld.global.v2.u16 {%h1, %h2}, [v];\nmov.b32 %r0, {%h2, %h1};\nld.global.v4.u8 "
                  "{%h1, %h2, %h3, %h4}, [v];\ncvt.u32.u16 %r1, %h2;",
                  data),
            (Words{0x80fffffe, 0x80}));
  EXPECT_EQ(words("ld.global.v2.u16 {_, %h2}, [v];\ncvt.u32.u16 %r0, %h2;\nmov.u32 %r1, 1;", data),
            (Words{0xfffe, 1}));
}

TEST_F(MemoryTest, GenericAddressesReachEverySpace) {
  const std::string shared = ".shared .align 4 .b8 sh[16];";
  EXPECT_EQ(words("mov.u64 %d1, sh;\ncvta.shared.u64 %d2, %d1;\nst.u32 [%d2+4], 42;\nld.shared.u32 "
                  "%r0, [sh+4];\nisspacep.shared %p1, %d2;\nisspacep.global %p2, %d2;\nselp.u32 "
                  "%r1, 1, 0, %p1;\n@%p2 add.u32 %r1, %r1, 2;",
                  shared),
            (Words{42, 1}));
  EXPECT_EQ(words("mov.u64 %d1, sh;\ncvta.shared.u64 %d2, %d1;\ncvta.to.shared.u64 %d3, "
                  "%d2;\nsub.u64 %d4, %d3, %d1;\nmov.b64 {%r0, %r1}, %d4;",
                  shared),
            (Words{0, 0}));
  EXPECT_EQ(words(".local .align 8 .b8 depot[32];\nmov.u64 %d1, depot;\ncvta.local.u64 %d2, "
                  "%d1;\nst.u32 [%d2+8], 7;\nld.local.u32 %r0, [depot+8];\nisspacep.local %p1, "
                  "%d2;\nselp.u32 %r1, 1, 0, %p1;"),
            (Words{7, 1}));
  EXPECT_EQ(words("isspacep.global %p1, %a0;\nselp.u32 %r0, 1, 0, %p1;\nisspacep.shared %p2, "
                  "%a0;\nselp.u32 %r1, 1, 0, %p2;"),
            (Words{1, 0}));
}

TEST_F(MemoryTest, DynamicSharedBeginsAfterTheStatic) {
  EXPECT_EQ(words("mov.u32 %r0, dyn;\nmov.u32 %r5, 3;\nst.shared.u32 [dyn+4], %r5;\nld.shared.u32 "
                  "%r1, [dyn+4];",
                  ".shared .align 4 .b8 fixed[20];\n.extern .shared .align 16 .b8 dyn[];", 64)[1],
            3U);
}

TEST_F(MemoryTest, ParametersAreBytes) {
  const std::string ptx =
      ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 out, .param "
      ".u8 small, .param .align 16 .b8 s[32])\n{\n"
      ".reg .b64 %d<8>;\n.reg .b32 %r<8>;\nld.param.u64 %d1, [out];\nld.param.u8 %r1, "
      "[small];\nld.param.v2.u32 {%r2, %r3}, [s+8];\n"
      "mov.b64 %d2, s;\nld.param.u32 %r4, [%d2+28];\nst.global.v4.u32 [%d1], {%r1, %r2, %r3, "
      "%r4};\nret;\n}\n";
  const CUfunction f = load(ptx);
  const Buffer out(16);
  CUdeviceptr address = out.address();
  uint8_t small = 200;
  const uint32_t structure[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  void* arguments[] = {&address, &small, const_cast<uint32_t*>(structure)};
  ASSERT_EQ(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, nullptr, arguments, nullptr), CUDA_SUCCESS);
  EXPECT_EQ(out.read<uint32_t>(), (Words{200, 2, 3, 7}));
}

TEST_F(MemoryTest, Atomics) {
  // old in %r0, what is left in %r1.
  const auto one = [&](const std::string& op, const std::string& type, const std::string& start,
                       const std::string& operands) {
    return words(
        "atom.global." + op + "." + type + " %r0, [v], " + operands + ";\nld.global.u32 %r1, [v];",
        ".global .align 4 .u32 v = " + start + ";");
  };
  EXPECT_EQ(one("add", "u32", "5", "7"), (Words{5, 12}));
  EXPECT_EQ(one("min", "s32", "5", "-7"), (Words{5, static_cast<uint32_t>(-7)}));
  EXPECT_EQ(one("min", "u32", "5", "-7"), (Words{5, 5}));
  EXPECT_EQ(one("max", "u32", "5", "9"), (Words{5, 9}));
  EXPECT_EQ(one("exch", "b32", "5", "9"), (Words{5, 9}));
  EXPECT_EQ(one("cas", "b32", "5", "5, 8"), (Words{5, 8}));
  EXPECT_EQ(one("cas", "b32", "5", "4, 8"), (Words{5, 5}));
  EXPECT_EQ(one("and", "b32", "6", "3"), (Words{6, 2}));
  EXPECT_EQ(one("or", "b32", "6", "3"), (Words{6, 7}));
  EXPECT_EQ(one("xor", "b32", "6", "3"), (Words{6, 5}));
  EXPECT_EQ(one("inc", "u32", "5", "6"), (Words{5, 6}));
  EXPECT_EQ(one("inc", "u32", "6", "6"), (Words{6, 0}));
  EXPECT_EQ(one("dec", "u32", "0", "6"), (Words{0, 6}));
  EXPECT_EQ(one("dec", "u32", "3", "6"), (Words{3, 2}));
  EXPECT_EQ(one("dec", "u32", "9", "6"), (Words{9, 6}));
  EXPECT_EQ(one("add", "f32", "0x3f800000", "0f40000000"), (Words{0x3f800000, 0x40400000}));
  EXPECT_EQ(one("add", "f32", "0x00000001", "0f00000001")[1],
            0U);  // global sums of f32 flush subnormals
  EXPECT_EQ(one("add.noftz", "f16x2", "0x3c003c00", "0x40003c00"), (Words{0x3c003c00, 0x42004000}));
  EXPECT_EQ(one("add.noftz", "bf16x2", "0x3f803f80", "0x40003f80"),
            (Words{0x3f803f80, 0x40404000}));
  EXPECT_EQ(
      words(
          "mov.u32 %r0, 0;\nred.global.add.f64 [d], 0d3FF0000000000000;\nld.global.u32 %r1, [d+4];",
          ".global .align 8 .f64 d = 0d3FF0000000000000;"),
      (Words{0, 0x40000000}));
  EXPECT_EQ(words("st.shared.u32 [s], 1;\natom.shared.add.f32 %r0, [s], 0f00000001;\nld.shared.u32 "
                  "%r1, [s];",
                  ".shared .align 4 .b8 s[4];"),
            (Words{1, 2}));  // shared doesn't flush
  EXPECT_EQ(words("atom.global.max.s64 %d1, [d], -3;\nld.global.v2.u32 {%r0, %r1}, [d];",
                  ".global .align 8 .s64 d = -5;"),
            (Words{static_cast<uint32_t>(-3), 0xffffffff}));
}

TEST_F(MemoryTest, SumsOfAtomicsFromEverywhere) {
  const std::vector<uint32_t> zeros(1);
  const Buffer sum(zeros);
  ASSERT_EQ(run(kernel("mov.u32 %r1, %tid.x;\nred.global.add.u32 [%a0], %r1;", 1), {sum.address()},
                16, 96),
            CUDA_SUCCESS);
  EXPECT_EQ(sum.read<uint32_t>()[0], 16U * 95 * 96 / 2);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

}  // namespace
}  // namespace nampemu_test
