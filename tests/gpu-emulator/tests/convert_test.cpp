// cvt between integers and floats of every width.
#include <bit>
#include <cfenv>
#include <cmath>

#include "exec/int128.h"
#include "instruction_test.h"

namespace nampemu_test {
namespace {

using ConvertTest = InstructionTest;
const std::vector<std::pair<std::string, int>> kModes = {
    {"n", FE_TONEAREST}, {"z", FE_TOWARDZERO}, {"m", FE_DOWNWARD}, {"p", FE_UPWARD}};
const std::vector<float> kFloats = {0.0F,   -0.0F,    0.5F,      -0.5F,        1.5F,   2.5F,
                                    -2.5F,  1e9F,     3e9F,      -3e9F,        5e9F,   1e19F,
                                    -1e19F, 3e38F,    127.5F,    -128.6F,      255.5F, 65535.7F,
                                    1e-40F, INFINITY, -INFINITY, 2147483520.0F};

template <class I>
I clamp(long double v) {
  if (v <= static_cast<long double>(std::numeric_limits<I>::min()))
    return std::numeric_limits<I>::min();
  if (v >= static_cast<long double>(std::numeric_limits<I>::max()))
    return std::numeric_limits<I>::max();
  return static_cast<I>(v);
}
long double rounded(long double v, int mode) {
  return mode == FE_TONEAREST    ? std::nearbyint(v)
         : mode == FE_TOWARDZERO ? std::trunc(v)
         : mode == FE_DOWNWARD   ? std::floor(v)
                                 : std::ceil(v);
}

TEST_F(ConvertTest, FloatsToIntegers) {
  std::vector<double> doubles(kFloats.begin(), kFloats.end());
  for (const double v : {4294967295.5, 9007199254740993.0, -9.3e18, 1.9e19})
    doubles.push_back(v);
  for (const auto& [name, mode] : kModes) {
    const int m = mode;
    check1<int32_t, float>("cvt.r" + name + "i.s32.f32 %o, %x;", kFloats,
                           [=](float a) { return clamp<int32_t>(rounded(a, m)); });
    check1<uint32_t, float>("cvt.r" + name + "i.u32.f32 %o, %x;", kFloats,
                            [=](float a) { return clamp<uint32_t>(rounded(a, m)); });
    check1<int64_t, double>("cvt.r" + name + "i.s64.f64 %o, %x;", doubles,
                            [=](double a) { return clamp<int64_t>(rounded(a, m)); });
    check1<uint64_t, double>("cvt.r" + name + "i.u64.f64 %o, %x;", doubles,
                             [=](double a) { return clamp<uint64_t>(rounded(a, m)); });
    check1<uint16_t, float>("cvt.r" + name + "i.u16.f32 %o, %x;", kFloats,
                            [=](float a) { return clamp<uint16_t>(rounded(a, m)); });
    check1<int32_t, float>("cvt.r" + name + "i.s8.f32 %o, %x;", kFloats,
                           [=](float a) { return int32_t{clamp<int8_t>(rounded(a, m))}; });
    check1<float, float>("cvt.r" + name + "i.f32.f32 %o, %x;", kFloats,
                         [=](float a) { return static_cast<float>(rounded(a, m)); });
  }
  // NaN: 0 where no end has 64 bits, else the top bit.
  EXPECT_EQ((apply<uint32_t, float>("cvt.rzi.s32.f32 %o, %x;", {NAN})[0]), 0U);
  EXPECT_EQ((apply<uint64_t, float>("cvt.rzi.s64.f32 %o, %x;", {NAN})[0]), 1ULL << 63);
  EXPECT_EQ((apply<uint32_t, double>("cvt.rzi.u32.f64 %o, %x;", {static_cast<double>(NAN)})[0]),
            1U << 31);
}

template <class F, class I>
F convert(I value, int mode) {
  std::fesetround(mode);
  volatile I source = value;
  volatile F result = static_cast<F>(source);
  std::fesetround(FE_TONEAREST);
  return result;
}

TEST_F(ConvertTest, IntegersToFloatsInEveryRounding) {
  const std::vector<int32_t> s32 = {0,        1,         -1,        16777217, -16777217,
                                    33554433, INT32_MAX, INT32_MIN, 123456789};
  const std::vector<uint32_t> u32 = {0, 1, 16777217, 16777219, 0xffffffff, 0x80000001};
  const std::vector<int64_t> s64 = {0,         -1,        9007199254740993, -9007199254740993,
                                    INT64_MAX, INT64_MIN, 1099511627777};
  const std::vector<uint64_t> u64 = {
      0, 1, 9007199254740993, ~0ULL, 1ULL << 63, (1ULL << 63) + 1025, 16777217ULL << 30};
  for (const auto& [name, mode] : kModes) {
    const int m = mode;
    check1<float, int32_t>("cvt.r" + name + ".f32.s32 %o, %x;", s32,
                           [=](int32_t a) { return convert<float>(a, m); });
    check1<float, uint32_t>("cvt.r" + name + ".f32.u32 %o, %x;", u32,
                            [=](uint32_t a) { return convert<float>(int64_t{a}, m); });
    check1<float, int64_t>("cvt.r" + name + ".f32.s64 %o, %x;", s64,
                           [=](int64_t a) { return convert<float>(a, m); });
    check1<double, int64_t>("cvt.r" + name + ".f64.s64 %o, %x;", s64,
                            [=](int64_t a) { return convert<double>(a, m); });
    check1<double, uint64_t>("cvt.r" + name + ".f64.u64 %o, %x;", u64, [=](uint64_t a) {
      return convert<double>(static_cast<long double>(a), m);
    });
    check1<float, double>("cvt.r" + name + ".f32.f64 %o, %x;",
                          {0.1, -0.1, 1e-46, -1e-46, 1e39, -1e39, 16777217.0, 3.0},
                          [=](double a) { return convert<float>(a, m); });
  }
}

TEST_F(ConvertTest, IntegersToIntegers) {
  check1<int64_t, int32_t>("cvt.s64.s32 %o, %x;", edges<int32_t>(),
                           [](int32_t a) { return int64_t{a}; });
  check1<uint64_t, uint32_t>("cvt.u64.u32 %o, %x;", edges<uint32_t>(),
                             [](uint32_t a) { return uint64_t{a}; });
  check1<uint32_t, uint64_t>("cvt.u32.u64 %o, %x;", edges<uint64_t>(),
                             [](uint64_t a) { return static_cast<uint32_t>(a); });
  check1<int32_t, int32_t>("cvt.s32.s8 %o, %x;", edges<int32_t>(),
                           [](int32_t a) { return int32_t{static_cast<int8_t>(a)}; });
  check1<uint32_t, uint32_t>("cvt.u32.u8 %o, %x;", edges<uint32_t>(),
                             [](uint32_t a) { return a % 256; });
  check1<uint16_t, uint64_t>("cvt.u16.u64 %o, %x;", edges<uint64_t>(),
                             [](uint64_t a) { return static_cast<uint16_t>(a); });
  check1<int32_t, int32_t>("cvt.sat.s8.s32 %o, %x;", edges<int32_t>(),
                           [](int32_t a) { return std::clamp(a, -128, 127); });
  check1<uint32_t, int32_t>("cvt.sat.u16.s32 %o, %x;", edges<int32_t>(), [](int32_t a) {
    return static_cast<uint32_t>(std::clamp(a, 0, 65535));
  });
  check1<uint32_t, int64_t>("cvt.sat.u32.s64 %o, %x;", edges<int64_t>(), [](int64_t a) {
    return static_cast<uint32_t>(std::clamp<int64_t>(a, 0, 0xffffffff));
  });
}

TEST_F(ConvertTest, SaturationAndFlushing) {
  check1<float, float>("cvt.sat.f32.f32 %o, %x;", kFloats,
                       [](float a) { return a > 0 ? std::fmin(a, 1.0F) : 0.0F; });
  EXPECT_EQ((apply<uint32_t, float>("cvt.ftz.f32.f32 %o, %x;", {-1e-40F})[0]), 0x80000000U);
  EXPECT_EQ((apply<double, float>("cvt.ftz.f64.f32 %o, %x;", {1e-40F})[0]), 0.0);
  EXPECT_EQ((apply<uint32_t, double>("cvt.rn.ftz.f32.f64 %o, %x;", {1e-40})[0]), 0U);
  EXPECT_EQ((apply<uint32_t, double>("cvt.rn.f32.f64 %o, %x;", {static_cast<double>(NAN)})[0]),
            0x7fffffffU);
}

TEST_F(ConvertTest, WhatPtxForbidsIsRefused) {
  for (const char* text :
       {"cvt.f32.s32 %r1, %r2;", "cvt.rn.s32.f32 %r1, %r2;", "cvt.rni.f32.s32 %r1, %r2;",
        "cvt.rn.u32.s32 %r1, %r2;", "cvt.f16.f32 %h1, %r2;", "cvt.rn.f32.f16 %r1, %h2;",
        "cvt.ftz.s32.u32 %r1, %r2;", "cvt.rzi.b32.f32 %r1, %r2;"}) {
    EXPECT_NE(load_error(kernel(text)), "") << text;
  }
}

// 10 bits of fraction; half of the last one goes away from zero.
TEST_F(ConvertTest, Tf32) {
  const std::vector<std::pair<float, float>> table = {
      {1 + 0x1p-11F, 1 + 0x1p-10F},
      {-1 - 0x1p-11F, -1 - 0x1p-10F},
      {1 + 0x1p-11F - 0x1p-23F, 1},
      {1 + 3 * 0x1p-11F, 1 + 0x1p-9F},
      {2 - 0x1p-23F, 2},
      {-0.0F, -0.0F},
      {0x1.8p-136F, 0x1p-135F},  // half of what a subnormal has for its last bit
      {0x1.fffffep127F, INFINITY},
      {-INFINITY, -INFINITY},
      {NAN, std::bit_cast<float>(0x7fffffffU)}};
  std::vector<float> x;
  for (const auto& [from, to] : table)
    x.push_back(from);
  const auto got = apply<float, float>("cvt.rna.tf32.f32 %o, %x;", x);
  for (size_t i = 0; i < x.size(); ++i)
    expect_same<float>("tf32", i, got[i], table[i].second);
}

TEST_F(ConvertTest, NewerConversionsNeedANewerTarget) {
  for (const char* instruction :
       {"cvt.rn.bf16x2.f32 %r1, %r2, %r3;", "cvt.rn.f16x2.f32 %r1, %r2, %r3;",
        "cvt.rn.bf16.f32 %h1, %r2;", "cvt.rna.tf32.f32 %r1, %r2;"}) {
    std::string text = kernel(instruction, 0);
    EXPECT_EQ(load_error(text), "");
    const std::string error = load_error(text.replace(text.find("sm_80"), 5, "sm_75"));
    EXPECT_NE(error.find("needs sm_80"), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace nampemu_test
