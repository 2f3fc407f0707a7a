// setp set selp slct: comparisons, alone or combined with a predicate, and choices.
#include "exec/lanes.h"
#include "exec/rounding.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

enum Compare : uint8_t {
  eq,
  ne,
  lt,
  le,
  gt,
  ge,
  lo,
  ls,
  hi,
  hs,
  equ,
  neu,
  ltu,
  leu,
  gtu,
  geu,
  num,
  nan,
  count_
};
enum Combine : uint8_t { kAnd, kOr, kXor, kAlone };
enum : uint16_t { kFlush = 1, kInvert = 2, kHasThird = 4 };

template <class T>
bool unordered(T a, T b) {
  return a != a || b != b;
}

template <uint8_t kCompare, class T>
bool compare(T a, T b) {
  if constexpr (kCompare == eq) return a == b;
  if constexpr (kCompare == ne) return !unordered(a, b) && a != b;
  if constexpr (kCompare == lt || kCompare == lo) return a < b;
  if constexpr (kCompare == le || kCompare == ls) return a <= b;
  if constexpr (kCompare == gt || kCompare == hi) return a > b;
  if constexpr (kCompare == ge || kCompare == hs) return a >= b;
  if constexpr (kCompare == equ) return unordered(a, b) || a == b;
  if constexpr (kCompare == neu) return unordered(a, b) || a != b;
  if constexpr (kCompare == ltu) return unordered(a, b) || a < b;
  if constexpr (kCompare == leu) return unordered(a, b) || a <= b;
  if constexpr (kCompare == gtu) return unordered(a, b) || a > b;
  if constexpr (kCompare == geu) return unordered(a, b) || a >= b;
  if constexpr (kCompare == num) return !unordered(a, b);
  if constexpr (kCompare == nan) return unordered(a, b);
}

uint32_t combine(uint32_t result, uint32_t other, uint8_t how) {
  switch (how) {
    case kAnd:
      return result & other;
    case kOr:
      return result | other;
    case kXor:
      return result ^ other;
    default:
      return result;
  }
}

// How a register's value is read for a comparison.
struct Integer {
  template <class T>
  static T read(T value) {
    return value;
  }
};
struct Flushed {
  template <class T>
  static T read(T value) {
    return flush(value);
  }
};
struct Half {
  static float read(uint16_t value) { return half_to_float(value); }
};
struct Bfloat {
  static float read(uint16_t value) { return bfloat_to_float(value); }
};

template <class T, class R, uint8_t kCompare>
uint32_t test(Warp& warp, const Instruction& i, uint32_t lanes) {
  const T* a = warp.at<T>(i.r[2]);
  const T* b = warp.at<T>(i.r[3]);
  uint32_t bits = 0;
  set_predicate(bits, lanes,
                [=](uint32_t l) { return compare<kCompare>(R::read(a[l]), R::read(b[l])); });
  return bits;
}

uint32_t third(Warp& warp, const Instruction& i) {
  if ((i.flags & kHasThird) == 0) return 0;
  return warp.mask(i.r[4]) ^ ((i.flags & kInvert) != 0 ? kAllLanes : 0);
}

// r[0] = test op c, r[1] = !test op c.
template <class T, class R, uint8_t kCompare>
struct SetPredicate {
  static void run(Warp& warp, const Instruction& i, uint32_t lanes) {
    const uint32_t bits = test<T, R, kCompare>(warp, i, lanes);
    const uint32_t c = third(warp, i);
    uint32_t& p = warp.mask(i.r[0]);
    p = (p & ~lanes) | (combine(bits, c, i.option) & lanes);
    if (i.r[1] != kNone) {
      uint32_t& q = warp.mask(i.r[1]);
      q = (q & ~lanes) | (combine(~bits, c, i.option) & lanes);
    }
  }
};
// r[0] = all ones or 1.0 where true.
template <class T, class R, uint8_t kCompare>
struct SetRegister {
  static void run(Warp& warp, const Instruction& i, uint32_t lanes) {
    const uint32_t bits = combine(test<T, R, kCompare>(warp, i, lanes), third(warp, i), i.option);
    uint32_t* d = warp.at<uint32_t>(i.r[0]);
    const auto yes = static_cast<uint32_t>(i.immediate);
    each_lane(lanes, [=](uint32_t l) { d[l] = ((bits >> l) & 1) != 0 ? yes : 0; });
  }
};

template <template <class, class, uint8_t> class S, class T, class R>
Execute pick(int which) {
  static constexpr Execute table[count_] = {
      S<T, R, eq>::run,  S<T, R, ne>::run,  S<T, R, lt>::run,  S<T, R, le>::run,  S<T, R, gt>::run,
      S<T, R, ge>::run,  S<T, R, lo>::run,  S<T, R, ls>::run,  S<T, R, hi>::run,  S<T, R, hs>::run,
      S<T, R, equ>::run, S<T, R, neu>::run, S<T, R, ltu>::run, S<T, R, leu>::run, S<T, R, gtu>::run,
      S<T, R, geu>::run, S<T, R, num>::run, S<T, R, nan>::run};
  return table[which];
}

template <template <class, class, uint8_t> class S>
Execute pick_type(Decode& d, Type t, int which) {
  using Kind = Type::Kind;
  if (t.packed || t.kind == Kind::predicate || t.bytes < 2) d.fail("this type isn't known here");
  const bool for_unsigned = which >= lo && which <= hs;
  const bool for_float = which >= equ;
  if (t.kind == Kind::float_ || t.kind == Kind::bfloat) {
    if (for_unsigned) d.fail("this comparison isn't for floats");
    if (t.bytes == 2)
      return t.kind == Kind::float_ ? pick<S, uint16_t, Half>(which)
                                    : pick<S, uint16_t, Bfloat>(which);
    const bool flushed = (d.out.flags & kFlush) != 0;
    if (t.bytes == 4)
      return flushed ? pick<S, float, Flushed>(which) : pick<S, float, Integer>(which);
    if (flushed) d.fail(".ftz is for .f32 only");
    return pick<S, double, Integer>(which);
  }
  if (for_float || (for_unsigned && t.kind == Kind::signed_) ||
      (t.kind == Kind::bits && which > ne)) {
    d.fail("this comparison isn't for this type");
  }
  if (t.kind == Kind::signed_) {
    return t.bytes == 2   ? pick<S, int16_t, Integer>(which)
           : t.bytes == 4 ? pick<S, int32_t, Integer>(which)
                          : pick<S, int64_t, Integer>(which);
  }
  return t.bytes == 2   ? pick<S, uint16_t, Integer>(which)
         : t.bytes == 4 ? pick<S, uint32_t, Integer>(which)
                        : pick<S, uint64_t, Integer>(which);
}

// Comparison, combination and third operand of both forms; the sources begin at operand 1.
int take_comparison(Decode& d) {
  const int which = d.take_one({"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ",
                                "neu", "ltu", "leu", "gtu", "geu", "num", "nan"});
  if (which < 0) d.fail("the comparison is missing");
  const int how = d.take_one({"and", "or", "xor"});
  d.out.option = how < 0 ? static_cast<uint8_t>(kAlone) : static_cast<uint8_t>(how);
  if (d.take("ftz")) d.out.flags |= kFlush;
  if (how >= 0) {
    d.expect_operands(4, 4);
    d.out.flags |= kHasThird;
    d.out.r[4] = d.predicate(d.operand(3), false);
    if (d.operand(3).negated) d.out.flags |= kInvert;
  } else {
    d.expect_operands(3, 3);
  }
  return which;
}

void decode_setp(Decode& d) {
  const int which = take_comparison(d);
  const Type t = d.take_type();
  d.out.execute = pick_type<SetPredicate>(d, t, which);
  d.out.r[2] = d.source(1, t);
  d.out.r[3] = d.source(2, t);
  const Operand& target = d.operand(0);
  if (target.kind == Operand::Kind::pair) {
    d.out.r[0] = d.predicate(target.parts[0], true);
    d.out.r[1] = d.predicate(target.parts[1], true);
  } else {
    d.out.r[0] = d.predicate(target, true);
  }
}

void decode_set(Decode& d) {
  const int which = take_comparison(d);
  const Type to = d.take_type();
  const Type from = d.take_type();
  if (to.bytes != 4 || to.packed || to.kind == Type::Kind::bits)
    d.fail("this type isn't known here");
  d.out.execute = pick_type<SetRegister>(d, from, which);
  d.out.immediate = to.is_float() ? 0x3f800000 : 0xffffffff;
  d.out.r[2] = d.source(1, from);
  d.out.r[3] = d.source(2, from);
  d.out.r[0] = d.destination(0, to);
}

template <class T>
void select(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const T* b = warp.at<T>(i.r[2]);
  const uint32_t p = warp.mask(i.r[3]);
  each_lane(lanes, [=](uint32_t l) { d[l] = ((p >> l) & 1) != 0 ? a[l] : b[l]; });
}

// slct: a where c >= 0, a NaN chooses b.
template <class T, class C>
void select_sign(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const T* b = warp.at<T>(i.r[2]);
  const C* c = warp.at<C>(i.r[3]);
  const bool flushed = (i.flags & kFlush) != 0;
  each_lane(lanes, [=](uint32_t l) {
    bool first = c[l] >= C{0};
    if constexpr (std::is_same_v<C, float>) first = (flushed ? flush(c[l]) : c[l]) >= 0;
    d[l] = first ? a[l] : b[l];
  });
}

void check_select(Decode& d, Type t) {
  if (t.bytes < 2 || t.packed) d.fail("this type isn't known here");
  d.expect_operands(4, 4);
  d.out.r[1] = d.source(1, t);
  d.out.r[2] = d.source(2, t);
  d.out.r[0] = d.destination(0, t);
}

void decode_selp(Decode& d) {
  const Type t = d.take_type();
  if (t.bytes == 2 && t.is_float()) d.fail("this type isn't known here");
  check_select(d, t);
  if (d.operand(3).negated) d.fail("'!' isn't known here");
  d.out.r[3] = d.predicate(d.operand(3), false);
  d.out.execute = t.bytes == 2   ? select<uint16_t>
                  : t.bytes == 4 ? select<uint32_t>
                                 : select<uint64_t>;
}

void decode_slct(Decode& d) {
  const Type t = d.take_type();
  const Type c = d.take_type();
  const bool by_float = c == Decode::f32;
  if (!by_float && !(c.kind == Type::Kind::signed_ && c.bytes == 4)) {
    d.fail("this type isn't known here");
  }
  if (d.take("ftz")) {
    if (!by_float) d.fail(".ftz is for .f32 only");
    d.out.flags |= kFlush;
  }
  check_select(d, t);
  d.out.r[3] = d.source(3, c);
  if (by_float) {
    d.out.execute = t.bytes == 2   ? select_sign<uint16_t, float>
                    : t.bytes == 4 ? select_sign<uint32_t, float>
                                   : select_sign<uint64_t, float>;
  } else {
    d.out.execute = t.bytes == 2   ? select_sign<uint16_t, int32_t>
                    : t.bytes == 4 ? select_sign<uint32_t, int32_t>
                                   : select_sign<uint64_t, int32_t>;
  }
}

}  // namespace

void add_compare_decoders(DecodeTable& table) {
  table["setp"] = decode_setp;
  table["set"] = decode_set;
  table["selp"] = decode_selp;
  table["slct"] = decode_slct;
}

}  // namespace nampemu
