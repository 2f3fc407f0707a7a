// Texts that the parser and the decoder refuse, with the line, and that damaged text does no harm.
#include "device_test.h"

namespace nampemu_test {
namespace {

using ParserTest = DeviceTest;

TEST_F(ParserTest, WhatIsntKnownIsAnErrorWithItsLine) {
  const std::pair<const char*, const char*> bad[] = {
      {"frobnicate.u32 %r1, %r2;", "isn't known"},
      {"add.xyz.u32 %r1, %r2, %r3;", ".xyz"},
      {"add.u32 %r1, %r2;", "operands"},
      {"add.f32 %r1, %r2, %h1;", "width"},
      {"mov.u32 %r1, %nothing;", "%nothing"},
      {"bra NOWHERE;", "NOWHERE"},
      {"ld.global.v4.u64 {%d1, %d2, %d3, %d4}, [%a0];", "type"},
      {"st.const.u32 [%a0], %r1;", "constant"},
      {"setp.lo.f32 %p1, %r1, %r2;", "comparison"},
      {"fma.f32 %r1, %r2, %r3, %r4;", "rounding"},
      {"shfl.down.b32 %r1, %r2, 1, 31;", "shfl.sync"},
      {"call.uni missing;", "missing"},
      {"@%r1 bra NOWHERE;", "predicate"},
      {"mul.u32 %r1, %r2, %r3;", ".lo"},
      {"ex2.f32 %r1, %r2;", ".approx"},
      {"atom.global.add.f16 %h1, [%a0], %h2;", ".noftz"},
  };
  for (const auto& [text, word] : bad) {
    const std::string error = load_error(kernel(text, 1));
    EXPECT_NE(error.find(word), std::string::npos) << text << ": " << error;
    EXPECT_NE(error.find("line 13"), std::string::npos) << text << ": " << error;
  }
  EXPECT_EQ(nampemu_findings_of(NAMPEMU_BAD_PTX), std::size(bad)) << findings();
}

TEST_F(ParserTest, ModulesThatDontFit) {
  EXPECT_NE(load_error(".version 8.0\n.target sm_90\n.address_size 64\n").find("sm_90"),
            std::string::npos);
  EXPECT_NE(load_error(".version 8.0\n.target sm_80\n.address_size 32\n").find("64"),
            std::string::npos);
  EXPECT_NE(load_error("\x7f"
                       "ELF")
                .find("PTX text"),
            std::string::npos);
  EXPECT_NE(load_error(""), "");
  EXPECT_NE(load_error(".version 8.0\n.target sm_80\n.address_size 64\n.func f() { call.uni f; "
                       "ret; }\n.entry k() { call.uni f; ret; }")
                .find("recursion"),
            std::string::npos);
}

TEST_F(ParserTest, DebugAndHintsAreReadOver) {
  const std::string text =
      ".version 7.5 // comment\n.target sm_75, debug\n.address_size 64\n.file 1 \"a.cu\"\n/* "
      "more\n */ .visible .entry k() .minnctapersm 2\n{\n.loc 1 2 3\n"
      ".pragma \"nounroll\";\n$L__a:\n.reg .b32 %r<3>;\nmov.u32 %r1, 017;\nret;\n}\n.section "
      ".debug_str\n{\n.b8 1,2\n}\n";
  EXPECT_EQ(load_error(text), "");
}

TEST_F(ParserTest, DamagedTextDoesNoHarm) {
  const std::string good = kernel(
      "ld.global.v2.f32 {%r1, %r2}, [%a0+8];\nadd.rn.f32 %r1, %r1, 0f3F800000;\n@!%p1 bra "
      "E;\nshfl.sync.bfly.b32 %r3|%p2, %r1, 1, 31, -1;\nE:",
      2, ".global .align 4 .u32 v[2] = {1, 2};");
  for (size_t length = 0; length < good.size(); ++length)
    load_error(good.substr(0, length));
  uint32_t seed = 1;
  for (int round = 0; round < 400; ++round) {
    std::string damaged = good;
    for (int k = 0; k < 3; ++k) {
      seed = seed * 1664525 + 1013904223;
      damaged[seed / 7 % damaged.size()] = static_cast<char>(seed >> 24);
    }
    load_error(damaged);
  }
  EXPECT_EQ(load_error(good), "");
}

}  // namespace
}  // namespace nampemu_test
