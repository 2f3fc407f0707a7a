// mma ldmatrix movmatrix against plain loops. Where an element of a matrix lies is the manual's table, shape by shape, as it is printed there: not
// a formula for all.
#include <bit>
#include <functional>

#include "instruction_test.h"

namespace nampemu_test {
namespace {

struct Place {
  int row, column;
};
using Layout = std::function<Place(int lane, int element)>;

// A shape of mma with one type of A and B.
struct Shape {
  const char* name;  // and types
  int k;
  int bits;  // of an element of A and B
  Layout a, b;
  int rows = 16;
};

int group(int lane) { return lane >> 2; }
int member(int lane) { return lane % 4; }

// m16n8k8 and m16n8k16 of 16 bits.
Place a16k8(int lane, int i) { return {group(lane) + (i < 2 ? 0 : 8), member(lane) * 2 + (i & 1)}; }
Place b16k8(int lane, int i) { return {member(lane) * 2 + i, group(lane)}; }
Place a16k16(int lane, int i) {
  const bool upper = (i >= 0 && i < 2) || (i >= 4 && i < 6);
  return {group(lane) + (upper ? 0 : 8), member(lane) * 2 + (i & 1) + (i < 4 ? 0 : 8)};
}
Place b16k16(int lane, int i) {
  return {member(lane) * 2 + (i & 1) + (i < 2 ? 0 : 8), group(lane)};
}
// tf32.
Place a32k4(int lane, int i) { return {group(lane) + (i == 0 ? 0 : 8), member(lane)}; }
Place b32k4(int lane, int) { return {member(lane), group(lane)}; }
Place a32k8(int lane, int i) {
  return {group(lane) + (i == 0 || i == 2 ? 0 : 8), member(lane) + (i < 2 ? 0 : 4)};
}
Place b32k8(int lane, int i) { return {member(lane) + (i == 0 ? 0 : 4), group(lane)}; }
// Bytes.
Place a8k16(int lane, int i) { return {group(lane) + (i < 4 ? 0 : 8), member(lane) * 4 + (i & 3)}; }
Place b8k16(int lane, int i) { return {member(lane) * 4 + i, group(lane)}; }
Place a8k32(int lane, int i) {
  const bool upper = (i >= 0 && i < 4) || (i >= 8 && i < 12);
  return {group(lane) + (upper ? 0 : 8), member(lane) * 4 + (i & 3) + (i < 8 ? 0 : 16)};
}
Place b8k32(int lane, int i) {
  return {member(lane) * 4 + (i & 3) + (i < 4 ? 0 : 16), group(lane)};
}
// Of 8 rows.
Place a8k16_of_8_rows(int lane, int i) { return {group(lane), member(lane) * 4 + i}; }
Place sums_of_8_rows(int lane, int i) { return {group(lane), member(lane) * 2 + (i & 1)}; }
Place sums(int lane, int i) { return {group(lane) + (i < 2 ? 0 : 8), member(lane) * 2 + (i & 1)}; }

class MatrixTest : public DeviceTest {
 protected:
  // d = a b + c for words of registers, given and returned lane after lane.
  std::vector<uint32_t> multiply(const Shape& shape, const std::vector<uint32_t>& a,
                                 const std::vector<uint32_t>& b, const std::vector<uint32_t>& c) {
    const size_t in_a = a.size() / 32;
    const size_t in_b = b.size() / 32;
    const size_t in_c = c.size() / 32;
    const auto list = [](const char* name, size_t count) {
      std::string text = "{";
      for (size_t k = 0; k < count; ++k)
        text += (k != 0 ? ", %" : "%") + std::string(name) + std::to_string(k);
      return text + "}";
    };
    const auto each = [&](const char* instruction, const char* name, const char* parameter,
                          size_t count) {
      std::string text = "mul.wide.u32 %d1, %r30, " + std::to_string(4 * count) +
                         ";\nadd.u64 %d1, %d1, " + parameter + ";\n";
      for (size_t k = 0; k < count; ++k) {
        const std::string value = "%" + std::string(name) + std::to_string(k);
        const std::string at = "[%d1+" + std::to_string(4 * k) + "]";
        text += std::string(instruction) +
                (instruction[0] == 'l' ? value + ", " + at : at + ", " + value) + ";\n";
      }
      return text;
    };
    const std::string body =
        ".reg .b32 %x<4>;\n.reg .b32 %y<2>;\n.reg .b32 %z<4>;\n"
        "mov.u32 %r30, %tid.x;\n" +
        each("ld.global.u32 ", "x", "%a1", in_a) + each("ld.global.u32 ", "y", "%a2", in_b) +
        each("ld.global.u32 ", "z", "%a3", in_c) + "mma.sync.aligned." + shape.name + " " +
        list("z", in_c) + ", " + list("x", in_a) + ", " + list("y", in_b) + ", " + list("z", in_c) +
        ";\n" + each("st.global.u32 ", "z", "%a0", in_c);
    const Buffer out(std::vector<uint32_t>(c.size())), ba(a), bb(b), bc(c);
    EXPECT_EQ(run(kernel(body, 4), {out.address(), ba.address(), bb.address(), bc.address()}),
              CUDA_SUCCESS)
        << findings();
    EXPECT_EQ(nampemu_findings(), 0U) << findings();
    return out.read<uint32_t>();
  }

  // Words of 32 lanes from a matrix, by its layout; encode gives an element's bits.
  template <class F>
  static std::vector<uint32_t> scatter(const Layout& layout, int elements, int bits, F encode) {
    const int words = elements * bits / 32;
    std::vector<uint32_t> out(static_cast<size_t>(32 * words));
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < elements; ++i) {
        const Place p = layout(lane, i);
        out[static_cast<size_t>(lane * words + i * bits / 32)] |= encode(p.row, p.column)
                                                                  << (i * bits % 32);
      }
    }
    return out;
  }

  // Small whole numbers, so that every order of adding gives the same; each place has its own pattern.
  static int value_a(int row, int k) { return (row * 7 + k * 5 + row * k) % 13 - 6; }
  static int value_b(int k, int column) { return (k * 3 + column * 11 + k * column) % 9 - 4; }
  static int value_c(int row, int column) { return (row * 8 + column) * 3 - 100; }

  // encode: a small number's bits as an element; encode_sum and decode_sum of C and D.
  template <class E, class S, class D>
  void check(const Shape& shape, E encode, S encode_sum, D decode_sum) {
    const int a_elements = shape.rows * shape.k / 32;
    const int c_elements = shape.rows * 8 / 32;
    const Layout of_sums = shape.rows == 8 ? sums_of_8_rows : sums;
    const auto a = scatter(shape.a, a_elements, shape.bits,
                           [&](int row, int k) { return encode(value_a(row, k)); });
    const auto b = scatter(shape.b, 8 * shape.k / 32, shape.bits,
                           [&](int k, int column) { return encode(value_b(k, column)); });
    const auto c = scatter(of_sums, c_elements, 32,
                           [&](int row, int column) { return encode_sum(value_c(row, column)); });
    const auto d = multiply(shape, a, b, c);
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < c_elements; ++i) {
        const Place p = of_sums(lane, i);
        int wanted = value_c(p.row, p.column);
        for (int k = 0; k < shape.k; ++k)
          wanted += value_a(p.row, k) * value_b(k, p.column);
        EXPECT_EQ(decode_sum(d[static_cast<size_t>(lane * c_elements + i)]), wanted)
            << shape.name << " at row " << p.row << ", column " << p.column;
      }
    }
  }

  static uint32_t float_bits(int value) {
    return std::bit_cast<uint32_t>(static_cast<float>(value));
  }
  static int float_value(uint32_t bits) { return static_cast<int>(std::bit_cast<float>(bits)); }
  // A whole number of at most 11 bits in binary16.
  static uint32_t half_bits(int value) {
    if (value == 0) return 0;
    const uint32_t bits = float_bits(value);
    return (bits >> 16 & 0x8000) | (((bits >> 23 & 0xff) - 112) << 10) | (bits >> 13 & 0x3ff);
  }
  static uint32_t bfloat_bits(int value) { return float_bits(value) >> 16; }
};

TEST_F(MatrixTest, ProductsOfHalves) {
  check({"m16n8k8.row.col.f32.f16.f16.f32", 8, 16, a16k8, b16k8}, half_bits, float_bits,
        float_value);
  check({"m16n8k16.row.col.f32.f16.f16.f32", 16, 16, a16k16, b16k16}, half_bits, float_bits,
        float_value);
}

TEST_F(MatrixTest, ProductsOfBfloats) {
  check({"m16n8k8.row.col.f32.bf16.bf16.f32", 8, 16, a16k8, b16k8}, bfloat_bits, float_bits,
        float_value);
  check({"m16n8k16.row.col.f32.bf16.bf16.f32", 16, 16, a16k16, b16k16}, bfloat_bits, float_bits,
        float_value);
}

TEST_F(MatrixTest, ProductsOfTf32LeaveTheLowerBitsOut) {
  const auto with_dust = [](int value) { return float_bits(value) | 0x1fff; };
  check({"m16n8k4.row.col.f32.tf32.tf32.f32", 4, 32, a32k4, b32k4}, with_dust, float_bits,
        float_value);
  check({"m16n8k8.row.col.f32.tf32.tf32.f32", 8, 32, a32k8, b32k8}, with_dust, float_bits,
        float_value);
}

TEST_F(MatrixTest, ProductsOfBytes) {
  const auto byte = [](int value) { return static_cast<uint32_t>(value) & 0xff; };
  const auto word = [](int value) { return static_cast<uint32_t>(value); };
  const auto same = [](uint32_t bits) { return static_cast<int>(bits); };
  check({"m8n8k16.row.col.s32.s8.s8.s32", 16, 8, a8k16_of_8_rows, b8k16, 8}, byte, word, same);
  check({"m16n8k16.row.col.s32.s8.s8.s32", 16, 8, a8k16, b8k16}, byte, word, same);
  check({"m16n8k32.row.col.s32.s8.s8.s32", 32, 8, a8k32, b8k32}, byte, word, same);
}

TEST_F(MatrixTest, UnsignedBytesAndSumsThatOverflow) {
  const std::vector<uint32_t> most(128, 0xffffffff), c(128, 0x7fffffff);
  const std::vector<uint32_t> b(64, 0x01010101);
  const auto of = [&](const char* name) { return multiply({name, 32, 8, {}, {}}, most, b, c)[5]; };
  EXPECT_EQ(of("m16n8k32.row.col.s32.u8.u8.s32"), 0x7fffffffU + 255 * 32);
  EXPECT_EQ(of("m16n8k32.row.col.satfinite.s32.u8.s8.s32"), 0x7fffffffU);
  EXPECT_EQ(of("m16n8k32.row.col.satfinite.s32.s8.u8.s32"), 0x7fffffffU - 32);
}

// A product of halves has up to 22 digits, and none is lost; what C cannot hold beside it is.
TEST_F(MatrixTest, ProductsAreExactAndSumsAreFloats) {
  const Shape shape = {"m16n8k16.row.col.f32.f16.f16.f32", 16, 16, {}, {}};
  // A and B have one element that is not 0: at k = 0 of every row and column.
  const auto first = [](uint32_t bits, size_t words) {
    std::vector<uint32_t> all(32 * words);
    for (size_t lane = 0; lane < 32; lane += 4)
      for (size_t w = 0; w < std::max<size_t>(1, words / 2); ++w)
        all[lane * words + w] = bits;
    return all;
  };
  const auto one = [&](uint32_t a, uint32_t b, float c) {
    const std::vector<uint32_t> sums(128, std::bit_cast<uint32_t>(c));
    return std::bit_cast<float>(multiply(shape, first(a, 4), first(b, 2), sums)[0]);
  };
  constexpr float kOdd = 1 + 0x1p-10F;
  EXPECT_EQ(one(0x3c01, 0x3c01, 0), kOdd * kOdd);
  EXPECT_EQ(one(0x0001, 0x0001, 0), 0x1p-48F);  // subnormals are not flushed
  EXPECT_EQ(one(0x3c01, 0x3c01, 16), 16 + 1 + 0x1p-9F + 0x1p-20F);
  EXPECT_EQ(one(0x3c00, 0x3c00, 0x1p25F), 0x1p25F);
  EXPECT_EQ(std::bit_cast<uint32_t>(one(0x7c00, 0, 0)), 0x7fffffffU);  // infinity times 0
}

TEST_F(MatrixTest, LoadsOfMatrices) {
  // Row r of matrix m begins at a place of its own: 21 (8 m + r) mod 64, in rows of 16 bytes. Element e there is 1000 m + 10 r + e.
  const auto place = [](uint32_t m, uint32_t r) { return (m * 8 + r) * 21 % 64; };
  std::vector<uint16_t> memory(64 * 8);
  std::vector<uint32_t> addresses(32);
  for (uint32_t m = 0; m < 4; ++m) {
    for (uint32_t r = 0; r < 8; ++r) {
      addresses[m * 8 + r] = place(m, r) * 16;
      for (uint32_t e = 0; e < 8; ++e)
        memory[place(m, r) * 8 + e] = static_cast<uint16_t>(1000 * m + 10 * r + e);
    }
  }
  const Buffer from(memory), where(addresses);
  for (const int count : {1, 2, 4}) {
    for (const bool transposed : {false, true}) {
      std::string registers = "{%r1";
      for (int k = 2; k <= count; ++k)
        registers += ", %r" + std::to_string(k);
      // Lane l copies 32 bytes; then lanes give the rows of as many matrices as there are, the others nothing that is an address.
      const std::string body =
          "mov.u32 %r20, %tid.x;\nmul.wide.u32 %d1, %r20, 32;\nadd.u64 %d1, %d1, %a1;\n"
          "shl.b32 %r21, %r20, 5;\nmov.u32 %r22, sh;\nadd.u32 %r21, %r21, %r22;\n"
          "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1];\n"
          "st.shared.v4.u32 [%r21], {%r1, %r2, %r3, %r4};\n"
          "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1+16];\n"
          "st.shared.v4.u32 [%r21+16], {%r1, %r2, %r3, %r4};\nbar.warp.sync -1;\n"
          "mul.wide.u32 %d2, %r20, 4;\nadd.u64 %d2, %d2, %a2;\nld.global.u32 %r23, [%d2];\n"
          "add.u32 %r23, %r23, %r22;\nsetp.ge.u32 %p1, %r20, " +
          std::to_string(8 * count) +
          ";\n@%p1 mov.u32 %r23, 3;\n"
          "ldmatrix.sync.aligned.m8n8.x" +
          std::to_string(count) + (transposed ? ".trans" : "") + ".shared.b16 " + registers +
          "}, [%r23];\n"
          "mul.wide.u32 %d3, %r20, 16;\nadd.u64 %d3, %d3, %a0;\n"
          "st.global.v4.u32 [%d3], {%r1, %r2, %r3, %r4};";
      const Buffer out(std::vector<uint32_t>(128));
      ASSERT_EQ(run(kernel(body, 3, ".shared .align 16 .b8 sh[1024];"),
                    {out.address(), from.address(), where.address()}),
                CUDA_SUCCESS)
          << findings();
      EXPECT_EQ(nampemu_findings(), 0U) << findings();
      const auto got = out.read<uint16_t>();
      for (int lane = 0; lane < 32; ++lane) {
        for (int m = 0; m < count; ++m) {
          for (int half = 0; half < 2; ++half) {
            // Four lanes have a row: two elements each. Transposed, they have a column.
            const int line = lane / 4;
            const int along = lane % 4 * 2 + half;
            const int wanted = 1000 * m + (transposed ? 10 * along + line : 10 * line + along);
            EXPECT_EQ(got[static_cast<size_t>(lane * 8 + m * 2 + half)], wanted)
                << "x" << count << " lane " << lane << " matrix " << m << " half " << half;
          }
        }
      }
    }
  }
}

TEST_F(MatrixTest, TransposesInRegisters) {
  const Buffer out(std::vector<uint32_t>(32));
  // Lane l has elements 2 l and 2 l + 1: row l / 4, columns 2 (l mod 4) and the next.
  ASSERT_EQ(run(kernel("mov.u32 %r1, %tid.x;\nshl.b32 %r2, %r1, 1;\nadd.u32 %r3, %r2, 1;\n"
                       "shl.b32 %r3, %r3, 16;\nor.b32 %r2, %r2, %r3;\n"
                       "movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r2;\n"
                       "mul.wide.u32 %d1, %r1, 4;\nadd.u64 %d1, %d1, %a0;\n"
                       "st.global.u32 [%d1], %r2;",
                       1),
                {out.address()}),
            CUDA_SUCCESS)
      << findings();
  const auto got = out.read<uint16_t>();
  for (size_t row = 0; row < 8; ++row)
    for (size_t column = 0; column < 8; ++column)
      EXPECT_EQ(got[row * 8 + column], column * 8 + row);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
}

class MatrixCheckTest : public MatrixTest {
 protected:
  // ldmatrix.x1 at shared memory of 512 bytes, of which lane l wrote word l; before: what comes between.
  std::string load_of(const std::string& between, const std::string& address,
                      const std::string& target = "sm_80") {
    std::string text = kernel(
        "mov.u32 %r20, %tid.x;\nmov.u32 %r22, sh;\nshl.b32 %r21, %r20, 2;\n"
        "add.u32 %r21, %r21, %r22;\nst.shared.u32 [%r21], %r20;\n" +
            between +
            "\nand.b32 %r24, %r20, 7;\nshl.b32 %r23, %r24, 4;\nadd.u32 %r23, %r23, %r22;\n" +
            address + "\nldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r23];",
        0, ".shared .align 16 .b8 sh[512];");
    return text.replace(text.find("sm_80"), 5, target);
  }
  void expect_one(nampemu_kind kind, const std::string& word) {
    EXPECT_EQ(nampemu_findings_of(kind), 1U) << findings();
    EXPECT_EQ(nampemu_findings(), 1U) << findings();
    EXPECT_NE(findings().find(word), std::string::npos) << word << " in " << findings();
    nampemu_reset();
  }
  const std::string barrier_ = "bar.warp.sync -1;";
};

TEST_F(MatrixCheckTest, LoadsOfMatricesAreCheckedAsOthersAre) {
  EXPECT_EQ(run(load_of(barrier_, ""), {}), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(load_of("", ""), {}), CUDA_SUCCESS);
  expect_one(NAMPEMU_RACE, "a read of what another thread wrote");
  EXPECT_EQ(run(load_of(barrier_, "add.u32 %r23, %r23, 8;"), {}), CUDA_ERROR_MISALIGNED_ADDRESS);
  expect_one(NAMPEMU_MISALIGNED, "not a multiple of 16");
  EXPECT_EQ(run(load_of(barrier_, "add.u32 %r23, %r23, 512;"), {}), CUDA_ERROR_ILLEGAL_ADDRESS);
  expect_one(NAMPEMU_OUT_OF_BOUNDS, "shared memory");
  EXPECT_EQ(run(load_of(barrier_, "add.u32 %r23, %r23, 64;"), {}), CUDA_SUCCESS);
  expect_one(NAMPEMU_UNWRITTEN_READ, "shared memory");
}

TEST_F(MatrixCheckTest, BeforeSm80EveryLaneGivesAnAddress) {
  const std::string strays = "setp.ge.u32 %p1, %r20, 8;\n@%p1 mov.u32 %r23, 4096;";
  EXPECT_EQ(run(load_of(barrier_, strays), {}), CUDA_SUCCESS);
  EXPECT_EQ(nampemu_findings(), 0U) << findings();
  EXPECT_EQ(run(load_of(barrier_, strays, "sm_75"), {}), CUDA_ERROR_ILLEGAL_ADDRESS);
  expect_one(NAMPEMU_OUT_OF_BOUNDS, "thread (8,0,0)");
}

TEST_F(MatrixCheckTest, AWarpThatIsNotWhole) {
  const std::string mma =
      "mov.u32 %r20, %tid.x;\nsetp.ge.u32 %p1, %r20, 31;\n@%p1 GUARDED;\n"
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%r1, %r2, %r3, %r4}, {%r5, %r6}, {%r7}, "
      "{%r1, %r2, %r3, %r4};\nEND:";
  const auto code = [&](const char* instead) {
    std::string text = mma;
    return kernel(text.replace(text.find("GUARDED"), 7, instead), 0);
  };
  EXPECT_EQ(run(code("exit"), {}), CUDA_SUCCESS);
  expect_one(NAMPEMU_BARRIER, "only 31 of the warp's 32 lanes");
  EXPECT_EQ(run(code("trap"), {}), CUDA_ERROR_LAUNCH_FAILED);
  nampemu_reset();
  EXPECT_EQ(run(code("bra.uni END"), {}, 1, 31), CUDA_SUCCESS);
  expect_one(NAMPEMU_BARRIER, "only 31 of the warp's 32 lanes");
}

TEST_F(MatrixCheckTest, WhatNoDeviceOfTheTargetHas) {
  const auto error = [&](const char* shape, int words, const char* target,
                         const char* version = "8.0") {
    const std::string a = words == 4 ? "{%r5, %r6, %r7, %r8}" : "{%r5, %r6}";
    const std::string b = words == 4 ? "{%r9, %r10}" : "{%r9}";
    std::string text = kernel("mma.sync.aligned." + std::string(shape) + " {%r1, %r2, %r3, %r4}, " +
                                  a + ", " + b + ", {%r1, %r2, %r3, %r4};",
                              0);
    text.replace(text.find("sm_80"), 5, target);
    text.replace(text.find("8.0"), 3, version);
    return load_error(text);
  };
  EXPECT_EQ(error("m16n8k8.row.col.f32.f16.f16.f32", 2, "sm_75"), "");
  const std::string wanted = "needs sm_80, and the module is for sm_75";
  EXPECT_NE(error("m16n8k16.row.col.f32.f16.f16.f32", 4, "sm_75").find(wanted), std::string::npos);
  EXPECT_NE(error("m16n8k8.row.col.f32.bf16.bf16.f32", 2, "sm_75").find(wanted), std::string::npos);
  EXPECT_NE(error("m16n8k8.row.col.f32.tf32.tf32.f32", 4, "sm_75").find(wanted), std::string::npos);
  EXPECT_NE(error("m16n8k32.row.col.s32.s8.s8.s32", 4, "sm_75").find(wanted), std::string::npos);
  EXPECT_NE(error("m16n8k16.row.col.f32.f16.f16.f32", 4, "sm_80", "6.5").find("needs PTX 7.0"),
            std::string::npos);
  for (const auto& [shape, words] : {std::pair{"m16n8k32.row.col.f32.f16.f16.f32", 4},
                                     {"m16n8k4.row.col.f32.f16.f16.f32", 2},
                                     {"m16n8k16.row.col.f32.tf32.tf32.f32", 4},
                                     {"m16n8k8.row.col.s32.s8.s8.s32", 2},
                                     {"m8n8k16.row.col.f32.f16.f16.f32", 2},
                                     {"m16n8k16.row.col.f32.f16.bf16.f32", 4},
                                     {"m16n8k16.row.col.f16.f16.f16.f16", 4},
                                     {"m16n8k16.col.col.f32.f16.f16.f32", 4}}) {
    EXPECT_NE(error(shape, words, "sm_80"), "") << shape;
  }
}

}  // namespace
}  // namespace nampemu_test
