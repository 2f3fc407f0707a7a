// Integer arithmetic against exact formulas in 128 bits.
#include "exec/int128.h"
#include "instruction_test.h"

namespace nampemu_test {
namespace {

using nampemu::Int128;
using nampemu::UInt128;

template <class T>
struct Name;
template <>
struct Name<int16_t> {
  static constexpr const char* text = "s16";
};
template <>
struct Name<uint16_t> {
  static constexpr const char* text = "u16";
};
template <>
struct Name<int32_t> {
  static constexpr const char* text = "s32";
};
template <>
struct Name<uint32_t> {
  static constexpr const char* text = "u32";
};
template <>
struct Name<int64_t> {
  static constexpr const char* text = "s64";
};
template <>
struct Name<uint64_t> {
  static constexpr const char* text = "u64";
};

class IntegerTest : public InstructionTest {
 protected:
  template <class T>
  void check_type() {
    const std::vector<T> e = edges<T>();
    const std::string type = Name<T>::text;
    const auto wide = [](T a) { return static_cast<Int128>(a); };
    constexpr int bits = sizeof(T) * 8;
    const auto two = [&](const std::string& op, auto f) {
      check2<T, T>(op + "." + type + " %o, %x, %y;", e, e,
                   [f](T a, T b) { return static_cast<T>(f(a, b)); });
    };
    two("add", [=](T a, T b) { return wide(a) + wide(b); });
    two("sub", [=](T a, T b) { return wide(a) - wide(b); });
    two("mul.lo",
        [=](T a, T b) { return static_cast<UInt128>(wide(a)) * static_cast<UInt128>(wide(b)); });
    two("mul.hi", [=](T a, T b) {
      return std::is_signed_v<T>
                 ? (wide(a) * wide(b)) >> bits
                 : static_cast<Int128>((static_cast<UInt128>(a) * static_cast<UInt128>(b)) >> bits);
    });
    two("min", [](T a, T b) { return b < a ? b : a; });
    two("max", [](T a, T b) { return a < b ? b : a; });
    std::vector<T> divisors = e;
    std::erase(divisors, T(0));  // nothing is said of a divisor of 0
    check2<T, T>("div." + type + " %o, %x, %y;", e, divisors,
                 [=](T a, T b) { return static_cast<T>(wide(a) / wide(b)); });
    check2<T, T>("rem." + type + " %o, %x, %y;", e, divisors,
                 [=](T a, T b) { return static_cast<T>(wide(a) % wide(b)); });
    const std::vector<T> few = {T(0), T(7), T(-5), std::numeric_limits<T>::max(),
                                std::numeric_limits<T>::min()};
    check3<T, T>("mad.lo." + type + " %o, %x, %y, %z;", few, few, few, [=](T a, T b, T c) {
      return static_cast<T>(static_cast<UInt128>(wide(a)) * static_cast<UInt128>(wide(b)) +
                            static_cast<UInt128>(wide(c)));
    });
    check3<T, T>("mad.hi." + type + " %o, %x, %y, %z;", few, few, few, [=](T a, T b, T c) {
      const Int128 high =
          std::is_signed_v<T>
              ? (wide(a) * wide(b)) >> bits
              : static_cast<Int128>((static_cast<UInt128>(a) * static_cast<UInt128>(b)) >> bits);
      return static_cast<T>(high + wide(c));
    });
    check3<T, T>("sad." + type + " %o, %x, %y, %z;", few, few, few, [=](T a, T b, T c) {
      return static_cast<T>((a < b ? wide(b) - wide(a) : wide(a) - wide(b)) + wide(c));
    });
    if constexpr (std::is_signed_v<T>) {
      check1<T, T>("abs." + type + " %o, %x;", e,
                   [=](T a) { return static_cast<T>(a < 0 ? -wide(a) : wide(a)); });
      check1<T, T>("neg." + type + " %o, %x;", e, [=](T a) { return static_cast<T>(-wide(a)); });
    }
  }
};

TEST_F(IntegerTest, Signed16) { check_type<int16_t>(); }
TEST_F(IntegerTest, Unsigned16) { check_type<uint16_t>(); }
TEST_F(IntegerTest, Signed32) { check_type<int32_t>(); }
TEST_F(IntegerTest, Unsigned32) { check_type<uint32_t>(); }
TEST_F(IntegerTest, Signed64) { check_type<int64_t>(); }
TEST_F(IntegerTest, Unsigned64) { check_type<uint64_t>(); }

TEST_F(IntegerTest, WideProducts) {
  check2<int32_t, int16_t>("mul.wide.s16 %o, %x, %y;", edges<int16_t>(), edges<int16_t>(),
                           [](int16_t a, int16_t b) { return int32_t{a} * int32_t{b}; });
  check2<uint32_t, uint16_t>("mul.wide.u16 %o, %x, %y;", edges<uint16_t>(), edges<uint16_t>(),
                             [](uint16_t a, uint16_t b) { return uint32_t{a} * uint32_t{b}; });
  check2<int64_t, int32_t>("mul.wide.s32 %o, %x, %y;", edges<int32_t>(), edges<int32_t>(),
                           [](int32_t a, int32_t b) { return int64_t{a} * int64_t{b}; });
  check2<uint64_t, uint32_t>("mul.wide.u32 %o, %x, %y;", edges<uint32_t>(), edges<uint32_t>(),
                             [](uint32_t a, uint32_t b) { return uint64_t{a} * uint64_t{b}; });
  check3<int64_t, int32_t, int32_t, int64_t>(
      "mad.wide.s32 %o, %x, %y, %z;", edges<int32_t>(), {-3, 0, 65537}, edges<int64_t>(),
      [](int32_t a, int32_t b, int64_t c) { return static_cast<int64_t>(Int128{a} * b + c); });
}

TEST_F(IntegerTest, Saturation) {
  const auto clamp = [](Int128 v) {
    return static_cast<int32_t>(v > INT32_MAX   ? Int128{INT32_MAX}
                                : v < INT32_MIN ? Int128{INT32_MIN}
                                                : v);
  };
  check2<int32_t, int32_t>("add.sat.s32 %o, %x, %y;", edges<int32_t>(), edges<int32_t>(),
                           [=](int32_t a, int32_t b) { return clamp(Int128{a} + b); });
  check2<int32_t, int32_t>("sub.sat.s32 %o, %x, %y;", edges<int32_t>(), edges<int32_t>(),
                           [=](int32_t a, int32_t b) { return clamp(Int128{a} - b); });
  check3<int32_t, int32_t>(
      "mad.hi.sat.s32 %o, %x, %y, %z;", edges<int32_t>(), edges<int32_t>(), edges<int32_t>(),
      [=](int32_t a, int32_t b, int32_t c) { return clamp(((Int128{a} * b) >> 32) + c); });
}

TEST_F(IntegerTest, Multiply24) {
  const auto low_signed = [](int32_t a) {
    return int64_t{static_cast<int32_t>(static_cast<uint32_t>(a) << 8)} / 256;
  };
  check2<int32_t, int32_t>(
      "mul24.lo.s32 %o, %x, %y;", edges<int32_t>(), edges<int32_t>(),
      [=](int32_t a, int32_t b) { return static_cast<int32_t>(low_signed(a) * low_signed(b)); });
  check2<uint32_t, uint32_t>(
      "mul24.hi.u32 %o, %x, %y;", edges<uint32_t>(), edges<uint32_t>(), [](uint32_t a, uint32_t b) {
        return static_cast<uint32_t>((uint64_t{a % (1 << 24)} * (b % (1 << 24))) / 65536);
      });
  check3<uint32_t, uint32_t>(
      "mad24.lo.u32 %o, %x, %y, %z;", edges<uint32_t>(), {3, 0xffffffff}, {0, 5},
      [](uint32_t a, uint32_t b, uint32_t c) {
        return static_cast<uint32_t>(uint64_t{a % (1 << 24)} * (b % (1 << 24)) + c);
      });
}

TEST_F(IntegerTest, CarriesMake128Bits) {
  // The high half of a sum, a difference and a product of 64 bits, by way of the carry.
  const auto split = [](const std::string& text) {
    return "mov.b64 {%r10, %r11}, %x;\nmov.b64 {%r12, %r13}, %y;\n" + text;
  };
  check2<uint64_t, uint64_t>(
      split("add.cc.u32 %r14, %r10, %r12;\naddc.u32 %r15, %r11, %r13;\nmov.b64 %o, {%r14, %r15};"),
      edges<uint64_t>(), edges<uint64_t>(), [](uint64_t a, uint64_t b) { return a + b; });
  check2<uint64_t, uint64_t>(
      split("sub.cc.u32 %r14, %r10, %r12;\nsubc.u32 %r15, %r11, %r13;\nmov.b64 %o, {%r14, %r15};"),
      edges<uint64_t>(), edges<uint64_t>(), [](uint64_t a, uint64_t b) { return a - b; });
  check2<uint64_t, uint64_t>(
      "add.cc.u64 %d5, %x, %y;\naddc.u64 %o, 0, 0;", edges<uint64_t>(), edges<uint64_t>(),
      [](uint64_t a, uint64_t b) { return static_cast<uint64_t>((UInt128{a} + b) >> 64); });
  check2<uint64_t, uint64_t>(
      split("mul.lo.u32 %r14, %r10, %r12;\nmul.hi.u32 %r15, %r10, %r12;\nmad.lo.cc.u32 %r15, %r11, "
            "%r12, %r15;\n"
            "madc.lo.u32 %r15, %r10, %r13, %r15;\nmov.b64 %o, {%r14, %r15};"),
      {0, 1, 77, 0x80000000}, {0, 1, 99, 0xffffffff},
      // The carry out of the high word comes back in at its low end: what madc does.
      [](uint64_t a, uint64_t b) {
        const uint64_t low = (a & 0xffffffff) * (b & 0xffffffff);
        const uint64_t first = (low >> 32) + ((a >> 32) * (b & 0xffffffff) & 0xffffffff);
        const uint64_t high = first + (first >> 32) - (first >> 32 << 32) +
                              ((a & 0xffffffff) * (b >> 32) & 0xffffffff);
        return (low & 0xffffffff) | high << 32;
      });
}

}  // namespace
}  // namespace nampemu_test
