// One instruction over many values: loads up to three operands a thread, runs the text, stores what
// it leaves in %o.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>

#include "device_test.h"

namespace nampemu_test {

class InstructionTest : public DeviceTest {
 protected:
  // text uses %x, %y, %z for the operands and %o for the result, of registers as wide as the C++
  // types; %h0…, %r0…, %d0…, %p0… are free.
  template <class O, class X, class Y = X, class Z = Y>
  std::vector<O> apply(const std::string& text, const std::vector<std::type_identity_t<X>>& x,
                       const std::vector<std::type_identity_t<Y>>& y = {},
                       const std::vector<std::type_identity_t<Z>>& z = {}) {
    const auto bits = [](size_t bytes) { return std::to_string(bytes * 8); };
    const size_t count = x.size();
    std::string body = ".reg .b" + bits(sizeof(O)) + " %o;\n.reg .b" + bits(sizeof(X)) +
                       " %x;\n.reg .b" + bits(sizeof(Y)) + " %y;\n.reg .b" + bits(sizeof(Z)) +
                       " %z;\n";
    body += "mov.u32 %r1, %tid.x;\nmov.u32 %r2, %ctaid.x;\nmad.lo.u32 %r1, %r2, 64, %r1;\n";
    body += "setp.ge.u32 %p1, %r1, " + std::to_string(count) + ";\n@%p1 bra END;\n";
    const auto load = [&](const char* name, int parameter, size_t bytes) {
      body += "mul.wide.u32 %d1, %r1, " + std::to_string(bytes) + ";\nadd.u64 %d1, %d1, %a" +
              std::to_string(parameter) + ";\nld.global.b" + bits(bytes) + " " + name +
              ", [%d1];\n";
    };
    load("%x", 1, sizeof(X));
    if (!y.empty()) load("%y", 2, sizeof(Y));
    if (!z.empty()) load("%z", 3, sizeof(Z));
    body += text + "\nmul.wide.u32 %d1, %r1, " + bits(sizeof(O)) + ";\nshr.u64 %d1, %d1, 3;\n";
    body += "add.u64 %d1, %d1, %a0;\nst.global.b" + bits(sizeof(O)) + " [%d1], %o;\nEND:";
    const std::vector<O> zeros(count);
    const Buffer out(zeros);
    const Buffer bx(x), by(y), bz(z);
    const CUresult result =
        run(kernel(body, 4), {out.address(), bx.address(), by.address(), bz.address()},
            static_cast<unsigned>((count + 63) / 64), 64);
    EXPECT_EQ(result, CUDA_SUCCESS) << text << findings();
    EXPECT_EQ(nampemu_findings(), 0U) << findings();
    return out.template read<O>();
  }

  // Compares bits; floats are printed as such.
  template <class O>
  static void expect_same(const std::string& text, size_t index, O got, O wanted) {
    EXPECT_EQ(std::memcmp(&got, &wanted, sizeof(O)), 0)
        << text << " at " << index << ": " << +got << " instead of " << +wanted;
  }

  template <class T>
  using List = const std::vector<std::type_identity_t<T>>&;

  template <class O, class X, class F>
  void check1(const std::string& text, List<X> x, F wanted) {
    const auto got = apply<O, X>(text, x);
    for (size_t i = 0; i < x.size(); ++i)
      expect_same<O>(text, i, got[i], wanted(x[i]));
  }
  // Every pair of the values.
  template <class O, class X, class Y = X, class F>
  void check2(const std::string& text, List<X> xs, List<Y> ys, F wanted) {
    std::vector<X> x;
    std::vector<Y> y;
    for (const X a : xs) {
      for (const Y b : ys) {
        x.push_back(a);
        y.push_back(b);
      }
    }
    const auto got = apply<O, X, Y>(text, x, y);
    for (size_t i = 0; i < x.size(); ++i)
      expect_same<O>(text, i, got[i], wanted(x[i], y[i]));
  }
  template <class O, class X, class Y = X, class Z = Y, class F>
  void check3(const std::string& text, List<X> xs, List<Y> ys, List<Z> zs, F wanted) {
    std::vector<X> x;
    std::vector<Y> y;
    std::vector<Z> z;
    for (const X a : xs) {
      for (const Y b : ys) {
        for (const Z c : zs) {
          x.push_back(a);
          y.push_back(b);
          z.push_back(c);
        }
      }
    }
    const auto got = apply<O, X, Y, Z>(text, x, y, z);
    for (size_t i = 0; i < x.size(); ++i)
      expect_same<O>(text, i, got[i], wanted(x[i], y[i], z[i]));
  }
};

// Edges of an integer type and some in between.
template <class T>
std::vector<T> edges() {
  using L = std::numeric_limits<T>;
  return {T(0),     T(1),
          T(2),     T(3),
          T(-1),    T(-2),
          L::max(), T(L::max() - 1),
          L::min(), T(L::min() + 1),
          T(0x55),  T(0xaa5a),
          T(100),   T(-77)};
}

}  // namespace nampemu_test
