// f16 and bf16 against a table of all values: the nearest is looked up, not computed.
#include <algorithm>
#include <bit>
#include <cmath>

#include "half_table.h"
#include "instruction_test.h"

namespace nampemu_test {
namespace {

using HalfTest = InstructionTest;

const std::vector<uint16_t> kHalves = {0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x3c00,
                                       0xbc00, 0x3c01, 0x3555, 0x7bff, 0xfbff, 0x7c00, 0xfc00,
                                       0x7e00, 0x1400, 0xc248, 0x4800, 0x5640, 0x2e66};
const std::vector<uint16_t> kBfloats = {0x0000, 0x8000, 0x0001, 0x007f, 0x0080, 0x3f80,
                                        0xbf80, 0x3f81, 0x3eab, 0x7f7f, 0xff7f, 0x7f80,
                                        0xff80, 0x7fc0, 0x4049, 0xc2f0, 0x3dcc, 0x4b00};

// a·b + c needs more digits than a double has only when the addends are far apart: long double
// holds those of these lists.
template <class F>
auto by_table(const HalfTable& table, F f) {
  return [&table, f](auto... bits) {
    return table.nearest(f(static_cast<long double>(table.value(bits))...));
  };
}

TEST_F(HalfTest, ArithmeticIsRoundedOnce) {
  const auto check = [&](const std::string& type, const HalfTable& table,
                         const std::vector<uint16_t>& v) {
    check2<uint16_t, uint16_t>("add." + type + " %o, %x, %y;", v, v,
                               by_table(table, [](auto a, auto b) { return a + b; }));
    check2<uint16_t, uint16_t>("sub." + type + " %o, %x, %y;", v, v,
                               by_table(table, [](auto a, auto b) { return a - b; }));
    check2<uint16_t, uint16_t>("mul." + type + " %o, %x, %y;", v, v,
                               by_table(table, [](auto a, auto b) { return a * b; }));
  };
  check("rn.f16", HalfTable::binary16(), kHalves);
  check("rn.bf16", HalfTable::bfloat16(), kBfloats);
  check3<uint16_t, uint16_t>(
      "fma.rn.f16 %o, %x, %y, %z;", kHalves, kHalves, kHalves,
      by_table(HalfTable::binary16(), [](auto a, auto b, auto c) { return a * b + c; }));
}

TEST_F(HalfTest, FusedMultiplyAddKnowsWhatADoubleWouldLose) {
  // 1·(1 + 2⁻¹⁰·½ tie) ± the least subnormal: the tie is broken by a bit 2⁻²⁴ that a rounding to
  // double keeps, and by bf16's 2⁻¹³³, which it doesn't.
  const auto f16 = apply<uint16_t, uint16_t>("fma.rn.f16 %o, %x, %y, %z;", {0x3c01, 0x3c01},
                                             {0x3e00, 0x3e00}, {0x0001, 0x8001});
  // 1.0009765625·1.5 = 1.50146484375, half way between 0x3e01 and 0x3e02.
  EXPECT_EQ(f16[0], 0x3e02);
  EXPECT_EQ(f16[1], 0x3e01);
  const auto bf16 = apply<uint16_t, uint16_t>("fma.rn.bf16 %o, %x, %y, %z;", {0x3f81, 0x3f81},
                                              {0x3fc0, 0x3fc0}, {0x0001, 0x8001});
  // 1.0078125·1.5 = 1.51171875, half way between 0x3fc1 and 0x3fc2.
  EXPECT_EQ(bf16[0], 0x3fc2);
  EXPECT_EQ(bf16[1], 0x3fc1);
}

TEST_F(HalfTest, PairsAreTwoOfThem) {
  const auto got = apply<uint32_t, uint32_t>("add.rn.f16x2 %o, %x, %y;", {0x3c004000},
                                             std::vector<uint32_t>{0x3c003c00});
  EXPECT_EQ(got[0], 0x40004200U);  // 1 + 1 high, 2 + 1 low
  const auto fma = apply<uint32_t, uint32_t>("fma.rn.bf16x2 %o, %x, %y, %z;", {0x3f804000},
                                             std::vector<uint32_t>{0x40004000},
                                             std::vector<uint32_t>{0x00003f80});
  EXPECT_EQ(fma[0], 0x400040a0U);  // 1·2 + 0 high, 2·2 + 1 low
}

TEST_F(HalfTest, ModifiersAndExtremes) {
  const auto one = [&](const std::string& op, uint16_t a, uint16_t b) {
    return apply<uint16_t, uint16_t>(op + " %o, %x, %y;", {a}, {b})[0];
  };
  EXPECT_EQ(one("add.sat.f16", 0x3c00, 0x3c00), 0x3c00);
  EXPECT_EQ(one("add.sat.f16", 0xbc00, 0x0000), 0x0000);
  EXPECT_EQ(one("add.sat.f16", 0x7e00, 0x0000), 0x0000);
  EXPECT_EQ(one("add.ftz.f16", 0x0001, 0x0001), 0x0000);
  EXPECT_EQ(one("min.f16", 0x7e00, 0x3c00), 0x3c00);
  EXPECT_EQ(one("min.NaN.f16", 0x7e00, 0x3c00), 0x7fff);
  EXPECT_EQ(one("max.f16", 0x7e01, 0xfe00), 0x7fff);
  EXPECT_EQ(one("min.f16", 0x0000, 0x8000), 0x8000);
  EXPECT_EQ(one("max.bf16", 0xbf80, 0xc000), 0xbf80);
  EXPECT_EQ((apply<uint16_t, uint16_t>("neg.f16 %o, %x;", {0x3c00})[0]), 0xbc00);
  EXPECT_EQ((apply<uint16_t, uint16_t>("abs.bf16 %o, %x;", {0xbf80})[0]), 0x3f80);
  EXPECT_EQ((apply<uint16_t, uint16_t>("neg.f16 %o, %x;", {0xfe01})[0]), 0x7fff);
  EXPECT_EQ((apply<uint16_t, uint16_t>("abs.bf16 %o, %x;", {0x7fc1})[0]), 0x7fff);
  EXPECT_EQ((apply<uint16_t, uint16_t>("fma.rn.relu.f16 %o, %x, %y, %z;", {0xbc00}, {0x3c00},
                                       {0x0000})[0]),
            0x0000);
  EXPECT_EQ((apply<uint16_t, uint16_t>("ex2.approx.f16 %o, %x;", {0x4200})[0]), 0x4800);  // 2³
  EXPECT_EQ((apply<uint16_t, uint16_t>("tanh.approx.bf16 %o, %x;", {0x4120})[0]), 0x3f80);
}

TEST_F(HalfTest, ConversionsFromF32InEveryRounding) {
  std::vector<float> x;
  for (const HalfTable* table : {&HalfTable::binary16(), &HalfTable::bfloat16()}) {
    // Every value, what lies half way to the next, and its neighbours.
    for (uint32_t bits = 0; bits < 0x7c00; bits += 37) {
      const auto a = static_cast<double>(table->value(static_cast<uint16_t>(bits)));
      const auto b = static_cast<double>(table->value(static_cast<uint16_t>(bits + 1)));
      if (!std::isfinite(b)) continue;
      const auto middle = static_cast<float>((a + b) / 2);
      for (const float v : {static_cast<float>(a), middle, std::nextafter(middle, 0.0F),
                            std::nextafter(middle, 1e38F)}) {
        x.push_back(v);
        x.push_back(-v);
      }
    }
  }
  for (const float v : {65504.0F, 65519.9F, 65520.0F, 1e30F, 3.4e38F, 1e-45F, 0.0F, INFINITY}) {
    x.push_back(v);
    x.push_back(-v);
  }
  for (const auto& [type, table] :
       {std::pair{"f16", &HalfTable::binary16()}, std::pair{"bf16", &HalfTable::bfloat16()}}) {
    const std::string tail = std::string(type) + ".f32 %o, %x;";
    const HalfTable& t = *table;
    check1<uint16_t, float>("cvt.rn." + tail, x, [&](float a) { return t.nearest(a); });
    check1<uint16_t, float>("cvt.rz." + tail, x, [&](float a) { return t.toward(a, 0); });
    if (std::string(type) == "bf16") continue;
    check1<uint16_t, float>("cvt.rm." + tail, x, [&](float a) { return t.toward(a, -1); });
    check1<uint16_t, float>("cvt.rp." + tail, x, [&](float a) { return t.toward(a, 1); });
  }
  EXPECT_EQ((apply<uint16_t, float>("cvt.rn.f16.f32 %o, %x;", {NAN})[0]), 0x7fff);
  EXPECT_EQ((apply<uint16_t, float>("cvt.rn.bf16.f32 %o, %x;", {-NAN})[0]), 0x7fff);
  EXPECT_EQ((apply<uint16_t, float>("cvt.rn.relu.bf16.f32 %o, %x;", {-3})[0]), 0);
  EXPECT_EQ((apply<uint16_t, float>("cvt.rn.satfinite.bf16.f32 %o, %x;", {INFINITY})[0]), 0x7f7f);
  EXPECT_EQ((apply<uint16_t, float>("cvt.rn.sat.f16.f32 %o, %x;", {7})[0]), 0x3c00);
  EXPECT_EQ((apply<uint32_t, float>("cvt.rn.f16x2.f32 %o, %x, %y;", {1}, std::vector<float>{2})[0]),
            0x3c004000U);
  EXPECT_EQ(
      (apply<uint32_t, float>("cvt.rn.bf16x2.f32 %o, %x, %y;", {1}, std::vector<float>{2})[0]),
      0x3f804000U);
}

TEST_F(HalfTest, EveryHalfWidensExactly) {
  std::vector<uint16_t> all;
  for (uint32_t bits = 0; bits < 0x10000; bits += 3)
    all.push_back(static_cast<uint16_t>(bits));
  for (const auto& [text, table] : {std::pair{"cvt.f32.f16 %o, %x;", &HalfTable::binary16()},
                                    std::pair{"cvt.f32.bf16 %o, %x;", &HalfTable::bfloat16()}}) {
    const auto got = apply<float, uint16_t>(text, all);
    for (size_t i = 0; i < all.size(); ++i) {
      const long double wanted = table->value(all[i]);
      if (std::isnan(wanted)) {
        EXPECT_EQ(std::bit_cast<uint32_t>(got[i]), 0x7fffffffU);
      } else {
        EXPECT_EQ(got[i], wanted) << text << all[i];
      }
    }
  }
}

}  // namespace
}  // namespace nampemu_test
