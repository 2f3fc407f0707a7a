// f32 and f64: rounding modes against the host's, NaN, subnormals, saturation.
#include <bit>
#include <cfenv>
#include <cmath>

#include "instruction_test.h"

namespace nampemu_test {
namespace {

const std::vector<std::pair<std::string, int>> kModes = {
    {"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};

template <class T>
std::vector<T> values() {
  using L = std::numeric_limits<T>;
  return {T(0),
          -T(0),
          T(1),
          T(-1),
          T(1) / 3,
          T(-0.1),
          L::max(),
          -L::max(),
          L::min(),
          L::denorm_min(),
          -L::denorm_min() * 3,
          L::infinity(),
          -L::infinity(),
          L::quiet_NaN(),
          T(1) + L::epsilon(),
          T(1e-30),
          T(123456.789),
          T(-2.5),
          T(3.5),
          T(0.75)};
}

float canonical(float v) { return std::isnan(v) ? std::bit_cast<float>(0x7fffffffU) : v; }
double canonical(double v) { return v; }
template <class T>
T flushed(T v) {
  return std::fpclassify(v) == FP_SUBNORMAL ? std::copysign(T(0), v) : v;
}
// NaN in f64 may have any payload; everything else to the bit.
template <class T>
bool same(T a, T b) {
  if (sizeof(T) == 8 && std::isnan(a)) return std::isnan(b);
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

class FloatTest : public InstructionTest {
 protected:
  template <class T>
  void check(const std::string& text, const std::vector<T>& x, const std::vector<T>& y,
             const std::vector<T>& z, int mode, const std::function<T(T, T, T)>& wanted) {
    const auto got = apply<T, T>(text, x, y, z);
    for (size_t i = 0; i < x.size(); ++i) {
      volatile T a = x[i], b = y[i], c = z[i];
      std::fesetround(mode);
      volatile T result = wanted(a, b, c);
      std::fesetround(FE_TONEAREST);
      EXPECT_TRUE(same<T>(canonical(T(result)), got[i]))
          << text << " of " << x[i] << ", " << y[i] << ", " << z[i] << ": " << got[i]
          << " instead of " << result;
    }
  }
  template <class T>
  void check_rounded(const std::string& op, int operands, const std::function<T(T, T, T)>& f) {
    std::vector<T> x, y, z;
    for (const T a : values<T>()) {
      for (const T b : values<T>()) {
        x.push_back(a);
        y.push_back(b);
        z.push_back(b == T(1) ? T(1e-9) : a * T(-0.3));
      }
    }
    const std::string type = sizeof(T) == 4 ? "f32" : "f64";
    const std::string sources = operands == 1 ? "%x" : operands == 2 ? "%x, %y" : "%x, %y, %z";
    for (const auto& [name, mode] : kModes) {
      check<T>(op + "." + name + "." + type + " %o, " + sources + ";", x, y, z, mode, f);
      if (sizeof(T) == 8) continue;
      check<T>(op + "." + name + ".ftz." + type + " %o, " + sources + ";", x, y, z, mode,
               [&](T a, T b, T c) { return flushed(T(f(flushed(a), flushed(b), flushed(c)))); });
    }
  }
};

template <class T>
T volatile_add(T first, T second) {
  volatile T a = first, b = second;
  volatile T sum = a + b;
  return sum;
}

TEST_F(FloatTest, SumsInEveryRounding) {
  check_rounded<float>("add", 2, [](float a, float b, float) { return volatile_add(a, b); });
  check_rounded<double>("add", 2, [](double a, double b, double) { return volatile_add(a, b); });
  check_rounded<float>("sub", 2, [](float a, float b, float) { return volatile_add(a, -b); });
  check_rounded<double>("sub", 2, [](double a, double b, double) { return volatile_add(a, -b); });
}
TEST_F(FloatTest, ProductsInEveryRounding) {
  check_rounded<float>("mul", 2, [](float a, float b, float) {
    volatile float x = a;
    volatile float r = x * b;
    return float(r);
  });
  check_rounded<double>("mul", 2, [](double a, double b, double) {
    volatile double x = a;
    volatile double r = x * b;
    return double(r);
  });
  check_rounded<float>("fma", 3, [](float a, float b, float c) { return std::fma(a, b, c); });
  check_rounded<double>("fma", 3, [](double a, double b, double c) { return std::fma(a, b, c); });
  check_rounded<float>("mad", 3, [](float a, float b, float c) { return std::fma(a, b, c); });
}
TEST_F(FloatTest, QuotientsAndRootsInEveryRounding) {
  check_rounded<float>("div", 2, [](float a, float b, float) {
    volatile float x = a;
    volatile float r = x / b;
    return float(r);
  });
  check_rounded<double>("div", 2, [](double a, double b, double) {
    volatile double x = a;
    volatile double r = x / b;
    return double(r);
  });
  check_rounded<float>("sqrt", 1, [](float a, float, float) { return std::sqrt(a); });
  check_rounded<double>("sqrt", 1, [](double a, double, double) { return std::sqrt(a); });
  check_rounded<float>("rcp", 1, [](float a, float, float) {
    volatile float x = a;
    volatile float r = 1 / x;
    return float(r);
  });
  check_rounded<double>("rcp", 1, [](double a, double, double) {
    volatile double x = a;
    volatile double r = 1 / x;
    return double(r);
  });
}

TEST_F(FloatTest, RoundsToNearestWhereNothingIsSaid) {
  const std::vector<float> x = values<float>();
  check<float>("add.f32 %o, %x, %y;", x, std::vector<float>(x.size(), 0.1F), x, FE_TONEAREST,
               [](float a, float b, float) { return volatile_add(a, b); });
}

TEST_F(FloatTest, Saturation) {
  check2<float, float>("add.sat.f32 %o, %x, %y;", values<float>(), values<float>(),
                       [](float a, float b) {
                         const float sum = a + b;
                         return sum > 0 ? std::fmin(sum, 1.0F) : 0.0F;  // NaN and -0 give +0
                       });
}

TEST_F(FloatTest, NanIsCanonical) {
  const float odd = std::bit_cast<float>(0xffc12345U);
  for (const char* op : {"add.f32", "mul.f32", "sub.f32", "div.rn.f32"}) {
    const auto got =
        apply<uint32_t, float>(std::string(op) + " %o, %x, %y;", {odd}, std::vector<float>{1.0F});
    EXPECT_EQ(got[0], 0x7fffffffU) << op;
  }
  // neg and abs too, though they are of the sign bit alone otherwise; of f64 PTX keeps the payload.
  for (const char* op : {"neg.f32", "abs.f32"}) {
    for (const uint32_t nan : {0xffc12345U, 0x7fc00001U, 0x7f800001U}) {
      const auto got =
          apply<uint32_t, float>(std::string(op) + " %o, %x;", {std::bit_cast<float>(nan)});
      EXPECT_EQ(got[0], 0x7fffffffU) << op;
    }
  }
  EXPECT_EQ((apply<uint32_t, float>("neg.f32 %o, %x;", {-0.0F})[0]), 0U);
  EXPECT_EQ((apply<uint32_t, float>("abs.f32 %o, %x;", {-2.0F})[0]), 0x40000000U);
  const auto wide = std::bit_cast<double>(uint64_t{0xfff8000012345678});
  EXPECT_EQ((apply<uint64_t, double>("abs.f64 %o, %x;", {wide})[0]), 0x7ff8000012345678U);
}

TEST_F(FloatTest, MinimumAndMaximum) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto got = [&](const char* op, float a, float b) {
    return apply<uint32_t, float>(std::string(op) + " %o, %x, %y;", {a}, std::vector<float>{b})[0];
  };
  const auto bits = [](float v) { return std::bit_cast<uint32_t>(v); };
  EXPECT_EQ(got("min.f32", 1, nan), bits(1));
  EXPECT_EQ(got("min.f32", nan, 2), bits(2));
  EXPECT_EQ(got("max.f32", nan, nan), 0x7fffffffU);
  EXPECT_EQ(got("min.NaN.f32", 1, nan), 0x7fffffffU);
  EXPECT_EQ(got("min.f32", 0.0F, -0.0F), bits(-0.0F));
  EXPECT_EQ(got("max.f32", -0.0F, 0.0F), bits(0.0F));
  EXPECT_EQ(got("min.f32", -3, 2), bits(-3));
  EXPECT_EQ(got("max.f32", -3, 2), bits(2));
  EXPECT_EQ(got("min.xorsign.abs.f32", -3, 2), bits(-2));
  EXPECT_EQ(got("max.ftz.f32", 1e-40F, -1), bits(0.0F));
  check2<double, double>("min.f64 %o, %x, %y;", {1.0, -2.0, 0.5}, {0.25, -8.0},
                         [](double a, double b) { return a < b ? a : b; });
}

TEST_F(FloatTest, SignsAndTests) {
  check2<float, float>("copysign.f32 %o, %x, %y;", {-1, 2, -0.0F}, {3, -4},
                       [](float a, float b) { return std::copysign(b, a); });
  const std::vector<std::pair<std::string, std::function<bool(float)>>> tests = {
      {"finite", [](float a) { return std::isfinite(a); }},
      {"infinite", [](float a) { return std::isinf(a); }},
      {"number", [](float a) { return !std::isnan(a); }},
      {"notanumber", [](float a) { return std::isnan(a); }},
      {"normal", [](float a) { return std::isnormal(a); }},
      {"subnormal", [](float a) { return std::fpclassify(a) == FP_SUBNORMAL; }}};
  for (const auto& [name, wanted] : tests) {
    check1<uint32_t, float>("testp." + name + ".f32 %p2, %x;\nselp.u32 %o, 1, 0, %p2;",
                            values<float>(), [w = wanted](float a) { return w(a) ? 1U : 0U; });
  }
}

TEST_F(FloatTest, ApproximationsAreInsideWhatPtxPromises) {
  std::vector<float> x;
  for (int i = 1; i < 400; ++i)
    x.push_back(static_cast<float>(i) * 0.037F);
  const auto within = [&](const char* op, double relative, auto exact) {
    const auto got = apply<float, float>(std::string(op) + " %o, %x;", x);
    for (size_t i = 0; i < x.size(); ++i) {
      const double e = exact(static_cast<double>(x[i]));
      EXPECT_NEAR(got[i], e, std::abs(e) * relative + 1e-30) << op << " of " << x[i];
    }
  };
  within("ex2.approx.f32", 0x1p-22, [](double a) { return std::pow(2.0, a); });
  within("lg2.approx.f32", 0x1p-22, [](double a) { return std::log(a) / std::log(2.0); });
  within("rcp.approx.f32", 0x1p-23, [](double a) { return 1 / a; });
  within("rsqrt.approx.f32", 0x1p-22, [](double a) { return std::pow(a, -0.5); });
  within("sqrt.approx.f32", 0x1p-22, [](double a) { return std::sqrt(a); });
  within("tanh.approx.f32", 0x1p-11, [](double a) { return 1 - 2 / (std::exp(2 * a) + 1); });
  const auto near = [&](const char* op, auto exact) {
    const auto got = apply<float, float>(std::string(op) + " %o, %x;", x);
    for (size_t i = 0; i < x.size(); ++i)
      EXPECT_NEAR(got[i], exact(static_cast<double>(x[i])), 0x1p-20) << op;
  };
  near("sin.approx.f32", [](double a) { return std::sin(a); });
  near("cos.approx.f32", [](double a) { return std::cos(a); });
  const auto full =
      apply<float, float>("div.full.f32 %o, %x, %y;", x, std::vector<float>(x.size(), 3.0F));
  for (size_t i = 0; i < x.size(); ++i)
    EXPECT_NEAR(full[i], x[i] / 3.0, x[i] * 0x1p-21);
  // The approximate reciprocals of f64 have zeros for a low word.
  const auto truncated = apply<uint64_t, double>("rcp.approx.ftz.f64 %o, %x;", {3.0, -0.7});
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(truncated[i] & 0xffffffff, 0U);
    EXPECT_NEAR(std::bit_cast<double>(truncated[i]) * (i == 0 ? 3.0 : -0.7), 1.0, 0x1p-20);
  }
}

}  // namespace
}  // namespace nampemu_test
