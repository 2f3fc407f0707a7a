// and or xor not cnot lop3 shl shr shf brev popc clz bfind bfe bfi prmt dp4a: bits, counts and
// fields.
#include <algorithm>
#include <bit>

#include "exec/lanes.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

struct And {
  template <class T>
  T operator()(T a, T b) const {
    return a & b;
  }
};
struct Or {
  template <class T>
  T operator()(T a, T b) const {
    return a | b;
  }
};
struct Xor {
  template <class T>
  T operator()(T a, T b) const {
    return a ^ b;
  }
};
struct Not {
  template <class T>
  T operator()(T a) const {
    return static_cast<T>(~a);
  }
};
struct LogicalNot {
  template <class T>
  T operator()(T a) const {
    return a == 0 ? 1 : 0;
  }
};

// Predicates are one mask a warp; r[1], r[2] may be inverted by flags 1 and 2.
template <class F>
void predicate_binary(Warp& warp, const Instruction& i, uint32_t lanes) {
  const uint32_t a = warp.mask(i.r[1]) ^ ((i.flags & 1) != 0 ? kAllLanes : 0);
  const uint32_t b = warp.mask(i.r[2]) ^ ((i.flags & 2) != 0 ? kAllLanes : 0);
  uint32_t& d = warp.mask(i.r[0]);
  d = (d & ~lanes) | (F{}(a, b) & lanes);
}
void predicate_not(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t& d = warp.mask(i.r[0]);
  d = (d & ~lanes) | (~warp.mask(i.r[1]) & lanes);
}

uint32_t logic3(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t d = 0;
  for (uint32_t k = 0; k < 8; ++k) {
    if (((table >> k) & 1) == 0) continue;
    d |= ((k & 4) != 0 ? a : ~a) & ((k & 2) != 0 ? b : ~b) & ((k & 1) != 0 ? c : ~c);
  }
  return d;
}
void lop3(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  const uint32_t* a = warp.at<uint32_t>(i.r[1]);
  const uint32_t* b = warp.at<uint32_t>(i.r[2]);
  const uint32_t* c = warp.at<uint32_t>(i.r[3]);
  const auto table = static_cast<uint32_t>(i.immediate);
  each_lane(lanes, [=](uint32_t l) { d[l] = logic3(a[l], b[l], c[l], table); });
}

// Counts above the width give what shifting on would give.
template <class T>
void shift_left(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const uint32_t* n = warp.at<uint32_t>(i.r[2]);
  constexpr uint32_t width = sizeof(T) * 8;
  each_lane(lanes, [=](uint32_t l) {
    d[l] = n[l] >= width ? T{0} : static_cast<T>(a[l] << (n[l] & (width - 1)));
  });
}
template <class T>
void shift_right(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const uint32_t* n = warp.at<uint32_t>(i.r[2]);
  constexpr uint32_t width = sizeof(T) * 8;
  each_lane(lanes, [=](uint32_t l) {
    const T rest = a[l] < T{0} ? static_cast<T>(-1) : T{0};
    d[l] = n[l] >= width ? rest : static_cast<T>(a[l] >> (n[l] & (width - 1)));
  });
}

// flags 1: clamp the count at 32, else wrap it.
template <bool kLeft>
void funnel_shift(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  const uint32_t* a = warp.at<uint32_t>(i.r[1]);
  const uint32_t* b = warp.at<uint32_t>(i.r[2]);
  const uint32_t* c = warp.at<uint32_t>(i.r[3]);
  const bool clamp = i.flags != 0;
  each_lane(lanes, [=](uint32_t l) {
    const uint32_t n = clamp ? std::min(c[l], 32U) : c[l] & 31;
    const uint64_t both = (uint64_t{b[l]} << 32) | a[l];
    d[l] = static_cast<uint32_t>(kLeft ? (both << n) >> 32 : both >> n);
  });
}

struct Reverse {
  template <class T>
  T operator()(T a) const {
    T d = 0;
    for (size_t k = 0; k < sizeof(T) * 8; ++k)
      d |= ((a >> k) & 1) << (sizeof(T) * 8 - 1 - k);
    return d;
  }
};
struct Popcount {
  template <class T>
  uint32_t operator()(T a) const {
    return static_cast<uint32_t>(std::popcount(a));
  }
};
struct LeadingZeros {
  template <class T>
  uint32_t operator()(T a) const {
    return static_cast<uint32_t>(std::countl_zero(a));
  }
};

// The most significant bit that isn't the sign; with shiftamt the shift that brings it to the top.
template <class U, bool kSigned, bool kShift>
struct Find {
  uint32_t operator()(U a) const {
    if (kSigned && (a >> (sizeof(U) * 8 - 1)) != 0) a = static_cast<U>(~a);
    if (a == 0) return ~0U;
    const auto zeros = static_cast<uint32_t>(std::countl_zero(a));
    return kShift ? zeros : static_cast<uint32_t>(sizeof(U) * 8) - 1 - zeros;
  }
};

// Position and length count modulo 256.
template <class T>
void extract(Warp& warp, const Instruction& i, uint32_t lanes) {
  using U = std::make_unsigned_t<T>;
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const uint32_t* b = warp.at<uint32_t>(i.r[2]);
  const uint32_t* c = warp.at<uint32_t>(i.r[3]);
  constexpr uint32_t top = sizeof(T) * 8 - 1;
  each_lane(lanes, [=](uint32_t l) {
    const uint32_t position = b[l] & 0xff;
    const uint32_t length = c[l] & 0xff;
    const U value = static_cast<U>(a[l]);
    const uint32_t sign_at = length == 0 ? top : std::min(position + length - 1, top);
    const bool negative = std::is_signed_v<T> && length != 0 && ((value >> sign_at) & 1) != 0;
    U result = negative ? static_cast<U>(~U{0}) : U{0};
    for (uint32_t k = 0; k <= top && k < length && position + k <= top; ++k) {
      const U bit = U{1} << k;
      result = ((value >> (position + k)) & 1) != 0 ? result | bit : result & ~bit;
    }
    d[l] = static_cast<T>(result);
  });
}
template <class T>
void insert(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const T* b = warp.at<T>(i.r[2]);
  const uint32_t* c = warp.at<uint32_t>(i.r[3]);
  const uint32_t* e = warp.at<uint32_t>(i.r[4]);
  constexpr uint32_t width = sizeof(T) * 8;
  each_lane(lanes, [=](uint32_t l) {
    const uint32_t position = c[l] & 0xff;
    const uint32_t length = e[l] & 0xff;
    T result = b[l];
    for (uint32_t k = 0; k < length && position + k < width; ++k) {
      const T bit = T{1} << (position + k);
      result = ((a[l] >> k) & 1) != 0 ? result | bit : result & ~bit;
    }
    d[l] = result;
  });
}

enum Permute : uint8_t {
  kDefault,
  kForward4,
  kBackward4,
  kReplicate8,
  kEdgeLeft,
  kEdgeRight,
  kReplicate16
};

uint32_t permute(uint32_t a, uint32_t b, uint32_t c, uint8_t mode) {
  const uint64_t bytes = (uint64_t{b} << 32) | a;
  uint32_t d = 0;
  const uint32_t s = c & 3;
  for (uint32_t k = 0; k < 4; ++k) {
    uint32_t selector = 0;
    switch (mode) {
      case kForward4:
        selector = s + k;
        break;
      case kBackward4:
        selector = (s + 8 - k) & 7;
        break;
      case kReplicate8:
        selector = s;
        break;
      case kEdgeLeft:
        selector = std::max(s, k);
        break;
      case kEdgeRight:
        selector = std::min(s, k);
        break;
      case kReplicate16:
        selector = (s & 1) * 2 + (k & 1);
        break;
      default:
        selector = (c >> (4 * k)) & 0xf;
    }
    uint32_t byte = static_cast<uint32_t>(bytes >> (8 * (selector & 7))) & 0xff;
    if (mode == kDefault && (selector & 8) != 0) byte = (byte & 0x80) != 0 ? 0xff : 0;
    d |= byte << (8 * k);
  }
  return d;
}
void prmt(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  const uint32_t* a = warp.at<uint32_t>(i.r[1]);
  const uint32_t* b = warp.at<uint32_t>(i.r[2]);
  const uint32_t* c = warp.at<uint32_t>(i.r[3]);
  const uint8_t mode = i.option;
  each_lane(lanes, [=](uint32_t l) { d[l] = permute(a[l], b[l], c[l], mode); });
}

// flags: 1 a is signed, 2 b is signed.
void dp4a(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  const uint32_t* a = warp.at<uint32_t>(i.r[1]);
  const uint32_t* b = warp.at<uint32_t>(i.r[2]);
  const uint32_t* c = warp.at<uint32_t>(i.r[3]);
  const auto byte = [](uint32_t value, int k, bool is_signed) {
    const auto part = static_cast<uint8_t>(value >> (8 * k));
    return is_signed ? int32_t{static_cast<int8_t>(part)} : int32_t{part};
  };
  const bool sa = (i.flags & 1) != 0;
  const bool sb = (i.flags & 2) != 0;
  each_lane(lanes, [=](uint32_t l) {
    uint32_t sum = c[l];
    for (int k = 0; k < 4; ++k)
      sum += static_cast<uint32_t>(byte(a[l], k, sa) * byte(b[l], k, sb));
    d[l] = sum;
  });
}

Type take_bits(Decode& d, uint8_t least) {
  const Type t = d.take_type();
  if (t.kind != Type::Kind::bits || t.bytes < least) d.fail("this type isn't known here");
  return t;
}

template <class F>
void decode_logic(Decode& d) {
  const Type t = d.take_type();
  d.expect_operands(3, 3);
  if (t.kind == Type::Kind::predicate) {
    for (size_t k = 1; k <= 2; ++k) {
      d.out.r[k] = d.predicate(d.operand(k), false);
      if (d.operand(k).negated) d.out.flags |= static_cast<uint16_t>(k);
    }
    d.out.r[0] = d.predicate(d.operand(0), true);
    d.out.execute = predicate_binary<F>;
    return;
  }
  if (t.kind != Type::Kind::bits || t.bytes < 2) d.fail("this type isn't known here");
  d.out.r[1] = d.source(1, t);
  d.out.r[2] = d.source(2, t);
  d.out.r[0] = d.destination(0, t);
  d.out.execute = t.bytes == 2   ? binary<uint16_t, uint16_t, F>
                  : t.bytes == 4 ? binary<uint32_t, uint32_t, F>
                                 : binary<uint64_t, uint64_t, F>;
}

template <class F>
void decode_not(Decode& d) {
  const Type t = d.take_type();
  d.expect_operands(2, 2);
  if (t.kind == Type::Kind::predicate && std::is_same_v<F, Not>) {
    d.out.r[1] = d.predicate(d.operand(1), false);
    d.out.r[0] = d.predicate(d.operand(0), true);
    d.out.execute = predicate_not;
    return;
  }
  if (t.kind != Type::Kind::bits || t.bytes < 2) d.fail("this type isn't known here");
  d.out.r[1] = d.source(1, t);
  d.out.r[0] = d.destination(0, t);
  d.out.execute = t.bytes == 2   ? unary<uint16_t, uint16_t, F>
                  : t.bytes == 4 ? unary<uint32_t, uint32_t, F>
                                 : unary<uint64_t, uint64_t, F>;
}

void decode_shift(Decode& d, bool left) {
  const Type t = d.take_type();
  if (t.is_float() || t.bytes < 2 || (left && t.kind != Type::Kind::bits)) {
    d.fail("this type isn't known here");
  }
  d.expect_operands(3, 3);
  d.out.r[1] = d.source(1, t);
  d.out.r[2] = d.source(2, Decode::u32);
  d.out.r[0] = d.destination(0, t);
  const bool s = t.kind == Type::Kind::signed_;
  switch (t.bytes) {
    case 2:
      d.out.execute = left ? shift_left<uint16_t>
                      : s  ? shift_right<int16_t>
                           : shift_right<uint16_t>;
      break;
    case 4:
      d.out.execute = left ? shift_left<uint32_t>
                      : s  ? shift_right<int32_t>
                           : shift_right<uint32_t>;
      break;
    default:
      d.out.execute = left ? shift_left<uint64_t>
                      : s  ? shift_right<int64_t>
                           : shift_right<uint64_t>;
  }
}

void decode_counts(Decode& d, Execute narrow, Execute wide) {
  const Type t = take_bits(d, 4);
  d.expect_operands(2, 2);
  d.out.r[1] = d.source(1, t);
  d.out.r[0] = d.destination(0, Decode::u32);
  d.out.execute = t.bytes == 4 ? narrow : wide;
}

void decode_find(Decode& d) {
  const bool shift = d.take("shiftamt");
  const Type t = d.take_type();
  if (!t.is_integer() || t.bytes < 4) d.fail("this type isn't known here");
  d.expect_operands(2, 2);
  d.out.r[1] = d.source(1, t);
  d.out.r[0] = d.destination(0, Decode::u32);
  const bool s = t.kind == Type::Kind::signed_;
  if (t.bytes == 4) {
    d.out.execute = s ? (shift ? unary<uint32_t, uint32_t, Find<uint32_t, true, true>>
                               : unary<uint32_t, uint32_t, Find<uint32_t, true, false>>)
                      : (shift ? unary<uint32_t, uint32_t, Find<uint32_t, false, true>>
                               : unary<uint32_t, uint32_t, Find<uint32_t, false, false>>);
  } else {
    d.out.execute = s ? (shift ? unary<uint32_t, uint64_t, Find<uint64_t, true, true>>
                               : unary<uint32_t, uint64_t, Find<uint64_t, true, false>>)
                      : (shift ? unary<uint32_t, uint64_t, Find<uint64_t, false, true>>
                               : unary<uint32_t, uint64_t, Find<uint64_t, false, false>>);
  }
}

void decode_extract(Decode& d) {
  const Type t = d.take_type();
  if (!t.is_integer() || t.bytes < 4) d.fail("this type isn't known here");
  d.expect_operands(4, 4);
  d.out.r[1] = d.source(1, t);
  d.out.r[2] = d.source(2, Decode::u32);
  d.out.r[3] = d.source(3, Decode::u32);
  d.out.r[0] = d.destination(0, t);
  const bool s = t.kind == Type::Kind::signed_;
  d.out.execute = t.bytes == 4 ? (s ? extract<int32_t> : extract<uint32_t>)
                               : (s ? extract<int64_t> : extract<uint64_t>);
}

void decode_insert(Decode& d) {
  const Type t = take_bits(d, 4);
  d.expect_operands(5, 5);
  d.out.r[1] = d.source(1, t);
  d.out.r[2] = d.source(2, t);
  d.out.r[3] = d.source(3, Decode::u32);
  d.out.r[4] = d.source(4, Decode::u32);
  d.out.r[0] = d.destination(0, t);
  d.out.execute = t.bytes == 4 ? insert<uint32_t> : insert<uint64_t>;
}

void take_three(Decode& d, Type t) {
  for (size_t k = 1; k <= 3; ++k)
    d.out.r[k] = d.source(k, t);
  d.out.r[0] = d.destination(0, t);
}

void decode_lop3(Decode& d) {
  if (take_bits(d, 4).bytes != 4) d.fail("this type isn't known here");
  d.expect_operands(5, 5);
  take_three(d, Decode::b32);
  d.out.immediate = d.literal(4);
  if (d.out.immediate < 0 || d.out.immediate > 255) d.fail("a table of 8 bits is needed");
  d.out.execute = lop3;
}

void decode_funnel(Decode& d) {
  const int direction = d.take_one({"l", "r"});
  const int mode = d.take_one({"wrap", "clamp"});
  if (direction < 0 || mode < 0) d.fail(".l or .r and .wrap or .clamp are needed");
  if (take_bits(d, 4).bytes != 4) d.fail("this type isn't known here");
  d.expect_operands(4, 4);
  take_three(d, Decode::b32);
  d.out.flags = static_cast<uint16_t>(mode);
  d.out.execute = direction == 0 ? funnel_shift<true> : funnel_shift<false>;
}

void decode_permute(Decode& d) {
  if (take_bits(d, 4).bytes != 4) d.fail("this type isn't known here");
  d.out.option = static_cast<uint8_t>(d.take_one({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"}) + 1);
  d.expect_operands(4, 4);
  take_three(d, Decode::b32);
  d.out.execute = prmt;
}

void decode_dp4a(Decode& d) {
  const Type a = d.take_type();
  const Type b = d.take_type();
  if (!a.is_integer() || !b.is_integer() || a.bytes != 4 || b.bytes != 4) {
    d.fail("these types aren't known here");
  }
  d.expect_operands(4, 4);
  take_three(d, Decode::b32);
  d.out.flags = static_cast<uint16_t>((a.kind == Type::Kind::signed_ ? 1 : 0) |
                                      (b.kind == Type::Kind::signed_ ? 2 : 0));
  d.out.execute = dp4a;
}

}  // namespace

void add_bit_decoders(DecodeTable& table) {
  table["and"] = decode_logic<And>;
  table["or"] = decode_logic<Or>;
  table["xor"] = decode_logic<Xor>;
  table["not"] = decode_not<Not>;
  table["cnot"] = decode_not<LogicalNot>;
  table["shl"] = [](Decode& d) { decode_shift(d, true); };
  table["shr"] = [](Decode& d) { decode_shift(d, false); };
  table["brev"] = [](Decode& d) {
    const Type t = take_bits(d, 4);
    d.expect_operands(2, 2);
    d.out.r[1] = d.source(1, t);
    d.out.r[0] = d.destination(0, t);
    d.out.execute =
        t.bytes == 4 ? unary<uint32_t, uint32_t, Reverse> : unary<uint64_t, uint64_t, Reverse>;
  };
  table["popc"] = [](Decode& d) {
    decode_counts(d, unary<uint32_t, uint32_t, Popcount>, unary<uint32_t, uint64_t, Popcount>);
  };
  table["clz"] = [](Decode& d) {
    decode_counts(d, unary<uint32_t, uint32_t, LeadingZeros>,
                  unary<uint32_t, uint64_t, LeadingZeros>);
  };
  table["bfind"] = decode_find;
  table["bfe"] = decode_extract;
  table["bfi"] = decode_insert;
  table["lop3"] = decode_lop3;
  table["shf"] = decode_funnel;
  table["prmt"] = decode_permute;
  table["dp4a"] = decode_dp4a;
}

}  // namespace nampemu
