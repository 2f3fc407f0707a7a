// Facts of machine code besides its size, read from texts in nvdisasm's form.
#include <gtest/gtest.h>

#include "sass_facts.h"

namespace gpu_report {
namespace {

SassFacts facts_of(const std::string& lines) {
  SassTable facts;
  read_sass(".text.a_kernel:\n" + lines, "sm_80", facts);
  return facts[{"sm_80", "a_kernel"}];
}

std::string line(const std::string& instruction) {
  return "        /*0010*/                   " + instruction + " ;\n";
}

TEST(SassFacts, count_who_takes_the_bits_of_an_absolute_value) {
  const std::string absolute = line("FADD R5, |R4|, -RZ");
  EXPECT_EQ(facts_of(absolute + line("SHF.R.U32.HI R6, RZ, 0xd, R5")).absolute_bits, 1);
  EXPECT_EQ(facts_of(absolute + line("MOV R7, R5") + line("LOP3.LUT R6, R7, 0x1ff, RZ, 0xc0, !PT"))
                .absolute_bits,
            1);
  EXPECT_EQ(facts_of(line("FADD.FTZ R5, -RZ, |R4|") + line("STG.E [R2.64], R5")).absolute_bits, 1);
}

TEST(SassFacts, let_floats_take_an_absolute_value) {
  const std::string absolute = line("FADD R5, |R4|, -RZ");
  EXPECT_EQ(facts_of(absolute + line("FMUL R6, R5, 512") + line("FSETP.GT.AND P0, PT, R5, 1, PT"))
                .absolute_bits,
            0);
  // A sum is no absolute value, and a register that was written again is another value.
  EXPECT_EQ(facts_of(line("FADD R5, |R4|, 0.5") + line("IADD3 R6, R5, -0x1, RZ")).absolute_bits, 0);
  EXPECT_EQ(facts_of(absolute + line("IMAD.MOV.U32 R5, RZ, RZ, R9") + line("IADD3 R6, R5, 1, RZ"))
                .absolute_bits,
            0);
  // The address that a load takes is another register, of which this name is a part.
  EXPECT_EQ(facts_of(absolute + line("IADD3 R6, R55, UR5, RZ")).absolute_bits, 0);
}

TEST(SassFacts, count_instructions_of_float64_and_conversions_to_it) {
  EXPECT_EQ(facts_of(line("DADD R2, R2, R4") + line("F2F.F64.F32 R6, R8") +
                     line("@P0 F2F.F32.F64 R6, R8") + line("MUFU.RCP64H R9, R3"))
                .doubles,
            4);
  EXPECT_EQ(facts_of(line("F2F.F16.F32 R6, R8") + line("LDG.E.64 R6, [R2.64]") +
                     line("DEPBAR.LE SB0, 0x1"))
                .doubles,
            0);
}

// By hand: 64 registers are 2,048 a warp, so 32 warps of 65,536; 128 threads a block are 8 blocks.
TEST(SassFacts, say_how_many_threads_fit) {
  SassFacts facts;
  facts.architecture = "sm_80";
  facts.registers = 64;
  facts.shared_bytes = 0;
  EXPECT_DOUBLE_EQ(occupancy(facts, 128), 0.5);
  facts.registers = 32;
  EXPECT_DOUBLE_EQ(occupancy(facts, 128), 1.0);
  EXPECT_DOUBLE_EQ(occupancy(facts, 32), 0.5);  // 32 blocks of a warp
  facts.registers = 168;                        // 5,376 a warp, 43,008 a block of 256
  EXPECT_DOUBLE_EQ(occupancy(facts, 256), 0.125);
  facts.registers = 32;
  facts.shared_bytes = 40 * 1024;  // 41 KiB with the block's own: four blocks in 164 KiB
  EXPECT_DOUBLE_EQ(occupancy(facts, 128), 0.25);
  facts.architecture = "sm_1";
  EXPECT_EQ(occupancy(facts, 128), -1);
}

}  // namespace
}  // namespace gpu_report
