// Comparisons, their combination with a predicate, and choices.
#include <bit>
#include <cmath>

#include "instruction_test.h"

namespace nampemu_test {
namespace {

using CompareTest = InstructionTest;

template <class T>
std::vector<std::pair<std::string, std::function<bool(T, T)>>> comparisons() {
  return {{"eq", [](T a, T b) { return a == b; }}, {"ne", [](T a, T b) { return a < b || a > b; }},
          {"lt", [](T a, T b) { return a < b; }},  {"le", [](T a, T b) { return a <= b; }},
          {"gt", [](T a, T b) { return a > b; }},  {"ge", [](T a, T b) { return a >= b; }}};
}

TEST_F(CompareTest, Integers) {
  const auto check = [&](auto sample, const std::string& type) {
    using T = decltype(sample);
    for (const auto& [name, f] : comparisons<T>()) {
      check2<uint32_t, T>("setp." + name + "." + type + " %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;",
                          edges<T>(), edges<T>(), [f = f](T a, T b) { return f(a, b) ? 1U : 0U; });
    }
  };
  check(int16_t{}, "s16");
  check(uint16_t{}, "u16");
  check(int32_t{}, "s32");
  check(uint32_t{}, "u32");
  check(int64_t{}, "s64");
  check(uint64_t{}, "u64");
  for (const auto& [name, like] :
       {std::pair{"lo", "lt"}, {"ls", "le"}, {"hi", "gt"}, {"hs", "ge"}}) {
    const auto get = [&](const std::string& op) {
      return apply<uint32_t, uint32_t>("setp." + op + ".u32 %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;",
                                       {1, 0xffffffff, 5}, {2, 1, 5});
    };
    EXPECT_EQ(get(name), get(like)) << name;
  }
}

TEST_F(CompareTest, FloatsOrderedAndNot) {
  const std::vector<float> v = {0.0F, -0.0F, 1.0F, -1.0F, INFINITY, -INFINITY, NAN, 1e-40F};
  for (const auto& [name, f] : comparisons<float>()) {
    check2<uint32_t, float>("setp." + name + ".f32 %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;", v, v,
                            [f = f](float a, float b) { return f(a, b) ? 1U : 0U; });
    check2<uint32_t, float>(
        "setp." + name + "u.f32 %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;", v, v,
        [f = f](float a, float b) { return std::isnan(a) || std::isnan(b) || f(a, b) ? 1U : 0U; });
  }
  for (const auto& [name, f] : comparisons<double>()) {
    check2<uint32_t, double>("setp." + name + ".f64 %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;",
                             {0.0, 2.0, -INFINITY}, {0.0, 1.0, NAN},
                             [f = f](double a, double b) { return f(a, b) ? 1U : 0U; });
  }
  check2<uint32_t, float>(
      "setp.num.f32 %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;", v, v,
      [](float a, float b) { return std::isnan(a) || std::isnan(b) ? 0U : 1U; });
  check2<uint32_t, float>(
      "setp.nan.f32 %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;", v, v,
      [](float a, float b) { return std::isnan(a) || std::isnan(b) ? 1U : 0U; });
  // .ftz takes a subnormal for 0.
  EXPECT_EQ((apply<uint32_t, float>("setp.eq.ftz.f32 %p2, %x, 0f00000000;\nselp.u32 %o, 1, 0, %p2;",
                                    {1e-40F})[0]),
            1U);
  EXPECT_EQ((apply<uint32_t, uint16_t>("setp.lt.f16 %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;",
                                       {0xbc00}, {0x3c00})[0]),
            1U);
  EXPECT_EQ((apply<uint32_t, uint16_t>("setp.gt.bf16 %p2, %x, %y;\nselp.u32 %o, 1, 0, %p2;",
                                       {0x3f80}, {0xbf80})[0]),
            1U);
}

TEST_F(CompareTest, CombinedWithAPredicate) {
  const std::vector<int32_t> v = {-1, 0, 1};
  const auto text = [](const std::string& op, const std::string& c) {
    return "setp.gt.s32 %p3, %y, 0;\nsetp.lt." + op + ".s32 %p4|%p5, %x, 0, " + c +
           ";\nselp.u32 %r5, 1, 0, %p4;\nselp.u32 %r6, 2, 0, %p5;\nor.b32 %o, %r5, %r6;";
  };
  const auto wanted = [](auto f) {
    return [f](int32_t a, int32_t b) {
      return (f(a<0, b> 0) ? 1U : 0U) | (f(!(a < 0), b > 0) ? 2U : 0U);
    };
  };
  check2<uint32_t, int32_t>(text("and", "%p3"), v, v,
                            wanted([](bool a, bool b) { return a && b; }));
  check2<uint32_t, int32_t>(text("or", "%p3"), v, v, wanted([](bool a, bool b) { return a || b; }));
  check2<uint32_t, int32_t>(text("xor", "%p3"), v, v,
                            wanted([](bool a, bool b) { return a != b; }));
  check2<uint32_t, int32_t>(text("and", "!%p3"), v, v,
                            wanted([](bool a, bool b) { return a && !b; }));
}

TEST_F(CompareTest, PredicateLogic) {
  const std::string text = "setp.ne.u32 %p2, %x, 0;\nsetp.ne.u32 %p3, %y, 0;\n";
  const std::vector<uint32_t> v = {0, 1};
  const auto with = [&](const std::string& op) { return text + op + "\nselp.u32 %o, 1, 0, %p4;"; };
  check2<uint32_t, uint32_t>(with("and.pred %p4, %p2, %p3;"), v, v,
                             [](uint32_t a, uint32_t b) { return a & b; });
  check2<uint32_t, uint32_t>(with("or.pred %p4, %p2, %p3;"), v, v,
                             [](uint32_t a, uint32_t b) { return a | b; });
  check2<uint32_t, uint32_t>(with("xor.pred %p4, %p2, %p3;"), v, v,
                             [](uint32_t a, uint32_t b) { return a ^ b; });
  check2<uint32_t, uint32_t>(with("not.pred %p4, %p2;"), v, v,
                             [](uint32_t a, uint32_t) { return 1 - a; });
  check2<uint32_t, uint32_t>(with("mov.pred %p4, %p3;"), v, v,
                             [](uint32_t, uint32_t b) { return b; });
  check2<uint32_t, uint32_t>(with("mov.pred %p4, -1;"), v, v,
                             [](uint32_t, uint32_t) { return 1U; });
}

TEST_F(CompareTest, SetAndChoices) {
  const std::vector<int32_t> v = {-5, 0, 7};
  check2<uint32_t, int32_t>("set.lt.u32.s32 %o, %x, %y;", v, v,
                            [](int32_t a, int32_t b) { return a < b ? ~0U : 0U; });
  check2<float, float>("set.geu.f32.f32 %o, %x, %y;", {1, 2, NAN}, {2, 1},
                       [](float a, float b) { return a < b ? 0.0F : 1.0F; });
  check3<int32_t, int32_t>("slct.s32.s32 %o, %x, %y, %z;", v, v, v,
                           [](int32_t a, int32_t b, int32_t c) { return c >= 0 ? a : b; });
  check3<uint64_t, uint64_t, uint64_t, float>(
      "slct.u64.f32 %o, %x, %y, %z;", {1}, {2}, {-0.0F, 1.0F, -1.0F, NAN},
      [](uint64_t a, uint64_t b, float c) { return c >= 0 ? a : b; });
  check3<double, double, double, uint32_t>(
      "setp.ne.u32 %p2, %z, 0;\nselp.f64 %o, %x, %y, %p2;", {1.5}, {2.5}, {0, 1},
      [](double a, double b, uint32_t c) { return c != 0 ? a : b; });
}

}  // namespace
}  // namespace nampemu_test
