// cvt: every pair of integers, f16, bf16, f32 and f64, pairs of halves from two floats; rounding,
// saturation, flushing.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "exec/int128.h"
#include "exec/lanes.h"
#include "exec/rounding.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

enum : uint16_t { kFlush = 1, kSaturate = 2, kRelu = 4, kFinite = 8, kIntegral = 16 };

// A value on its way: an integer of up to 64 bits, or a double, which holds every other float
// exactly.
struct Value {
  Int128 integer = 0;
  double real = 0;
};

Value read(Type t, const std::byte* bytes, uint16_t flags) {
  Value value;
  const auto load = [bytes](auto sample) {
    std::memcpy(&sample, bytes, sizeof sample);
    return sample;
  };
  const bool s = t.kind == Type::Kind::signed_;
  if (t.kind == Type::Kind::bfloat) {
    value.real = Bfloat16::widen(load(uint16_t{}));
  } else if (t.kind == Type::Kind::float_) {
    value.real = t.bytes == 2   ? Binary16::widen(load(uint16_t{}))
                 : t.bytes == 4 ? static_cast<double>((flags & kFlush) != 0 ? flush(load(float{}))
                                                                            : load(float{}))
                                : load(double{});
  } else if (t.bytes == 1) {
    value.integer = s ? Int128{load(int8_t{})} : Int128{load(uint8_t{})};
  } else if (t.bytes == 2) {
    value.integer = s ? Int128{load(int16_t{})} : Int128{load(uint16_t{})};
  } else if (t.bytes == 4) {
    value.integer = s ? Int128{load(int32_t{})} : Int128{load(uint32_t{})};
  } else {
    value.integer = s ? Int128{load(int64_t{})} : Int128{load(uint64_t{})};
  }
  return value;
}

double round_integral(double value, Round round) {
  switch (round) {
    case Round::zero:
      return std::trunc(value);
    case Round::down:
      return std::floor(value);
    case Round::up:
      return std::ceil(value);
    default:
      return std::nearbyint(value);
  }
}

Int128 least(Type t) {
  return t.kind == Type::Kind::signed_ ? -(Int128{1} << (t.bytes * 8 - 1)) : Int128{0};
}
Int128 greatest(Type t) {
  return t.kind == Type::Kind::signed_ ? (Int128{1} << (t.bytes * 8 - 1)) - 1
                                       : (Int128{1} << (t.bytes * 8)) - 1;
}

// Out of range goes to the nearest end. NaN: 0, or the top bit alone where an end of the conversion
// has 64 bits.
Int128 to_integer(double value, Type from, Type to, Round round) {
  if (value != value) {
    const bool zero = from.bytes != 8 && to.bytes != 8;
    return zero ? Int128{0} : Int128{1} << (to.bytes * 8 - 1);
  }
  value = round_integral(value, round);
  if (value <= static_cast<double>(least(to))) return least(to);
  if (value >= std::ldexp(1.0, to.bytes * 8)) return greatest(to);
  const auto exact = static_cast<Int128>(value);
  return exact > greatest(to) ? greatest(to) : exact;
}

// An integer to a double that rounds to the same float as the integer: the last bit says that
// something was lost.
double odd_double(Int128 value) {
  const bool negative = value < 0;
  auto magnitude = static_cast<UInt128>(negative ? -value : value);
  int shift = 0;
  while ((magnitude >> shift) >> 53 != 0)
    ++shift;
  const UInt128 lost = magnitude & ((UInt128{1} << shift) - 1);
  magnitude >>= shift;
  if (lost != 0) magnitude |= 1;
  const double result = std::ldexp(static_cast<double>(static_cast<uint64_t>(magnitude)), shift);
  return negative ? -result : result;
}

uint16_t narrow(double value, Type to, uint16_t flags, Round round) {
  const bool half = to.kind == Type::Kind::float_;
  uint16_t bits = half ? Binary16::narrow(value, round) : Bfloat16::narrow(value, round);
  const uint16_t infinity = half ? Binary16::kInfinity : Bfloat16::kInfinity;
  const bool nan = (bits & 0x7fff) > infinity;
  if ((flags & kSaturate) != 0) {
    const uint16_t one = half ? 0x3c00 : 0x3f80;
    return nan || (bits & 0x8000) != 0 ? uint16_t{0} : std::min(bits, one);
  }
  if ((flags & kRelu) != 0 && !nan && (bits & 0x8000) != 0) return 0;
  if ((flags & kFinite) != 0 && (bits & 0x7fff) == infinity) --bits;
  return bits;
}

// The result's bits, in the low end of 64.
uint64_t write(const Value& value, Type from, Type to, uint16_t flags, Round round) {
  double real = value.real;
  if (!to.is_float()) {
    Int128 integer = value.integer;
    if (from.is_float()) {
      integer = to_integer(real, from, to, round);
    } else if ((flags & kSaturate) != 0) {
      integer = std::min(std::max(integer, least(to)), greatest(to));
    }
    return static_cast<uint64_t>(integer);
  }
  if ((flags & kIntegral) != 0) real = round_integral(real, round);
  if (to.bytes == 2) {
    return narrow(from.is_float() ? real : odd_double(value.integer), to, flags, round);
  }
  const RoundingScope scope(round);
  if (to.bytes == 4) {
    // volatile: computed here, in this rounding.
    volatile double source = from.is_float() ? real : odd_double(value.integer);
    volatile float result = static_cast<float>(source);
    float f = canonical(result);
    if ((flags & kFlush) != 0) f = flush(f);
    if ((flags & kSaturate) != 0) f = f > 0 ? std::min(f, 1.0F) : 0.0F;
    return std::bit_cast<uint32_t>(f);
  }
  volatile double result = real;
  if (!from.is_float()) {
    if (from.kind == Type::Kind::signed_) {
      volatile int64_t integer = static_cast<int64_t>(value.integer);
      result = static_cast<double>(integer);
    } else {
      // The high half exactly, and the low half added: one rounding.
      volatile double high =
          static_cast<double>(static_cast<uint64_t>(value.integer) >> 32) * 0x1p32;
      volatile double low = static_cast<double>(static_cast<uint32_t>(value.integer));
      result = high + low;
    }
  }
  double f = result;
  if ((flags & kSaturate) != 0) f = f > 0 ? std::min(f, 1.0) : 0.0;
  return std::bit_cast<uint64_t>(f);
}

struct Types {
  Type from, to;
};
// A type in 6 bits, so that an instruction can carry two.
int64_t pack(Type t) { return static_cast<int64_t>(t.kind) * 16 + t.bytes; }
Type unpack(int64_t bits) {
  return {static_cast<Type::Kind>((bits / 16) & 7), static_cast<uint8_t>(bits & 15), false};
}

uint64_t extend(uint64_t bits, Type t, uint32_t bytes) {
  if (t.kind != Type::Kind::signed_ || t.bytes >= bytes) return bits;
  const unsigned shift = 64 - t.bytes * 8U;
  return static_cast<uint64_t>(static_cast<int64_t>(bits << shift) >> shift);
}

// Any pair: slow and sure. width and count: bytes of the destination's and the source's register.
void convert_any(Warp& warp, const Instruction& i, uint32_t lanes) {
  const Type to = unpack(i.immediate >> 8);
  const Type from = unpack(i.immediate & 0xff);
  std::byte* d = warp.at<std::byte>(i.r[0]);
  const std::byte* a = warp.at<std::byte>(i.r[1]);
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto l = static_cast<uint32_t>(std::countr_zero(lanes));
    const Value value = read(from, a + l * i.count, i.flags);
    uint64_t bits = write(value, from, to, i.flags, static_cast<Round>(i.option));
    if (!to.is_float()) {
      if (to.bytes < 8) bits &= (uint64_t{1} << (to.bytes * 8)) - 1;
      bits = extend(bits, to, i.width);
    }
    std::memcpy(d + l * i.width, &bits, i.width);
  }
}

// Pairs that kernels spend their time in.
template <class D, class S>
struct Cast {
  D operator()(S a) const { return static_cast<D>(a); }
};
struct HalfToFloat {
  float operator()(uint16_t a) const { return half_to_float(a); }
};
struct FloatToHalf {
  uint16_t operator()(float a) const { return float_to_half(a); }
};
struct BfloatToFloat {
  float operator()(uint16_t a) const { return bfloat_to_float(a); }
};
struct FloatToBfloat {
  uint16_t operator()(float a) const { return float_to_bfloat(a); }
};
struct FloatToTf32 {
  float operator()(float a) const { return float_to_tf32(a); }
};
struct FloatToInt {
  int32_t operator()(float a) const {
    if (a != a) return 0;
    return a >= 0x1p31F ? INT32_MAX : a <= -0x1p31F ? INT32_MIN : static_cast<int32_t>(a);
  }
};
struct FloatToDouble {
  double operator()(float a) const { return static_cast<double>(a); }
};

template <class D, class S>
Execute cast() {
  return unary<D, S, Cast<D, S>>;
}

Execute quick_integer(Type to, Type from, uint32_t d, uint32_t s) {
  // Widening or truncating within whole registers.
  if (to.bytes != d || from.bytes != s) return nullptr;
  const bool sign = from.kind == Type::Kind::signed_;
  if (d == 8 && s == 4) return sign ? cast<int64_t, int32_t>() : cast<uint64_t, uint32_t>();
  if (d == 4 && s == 8) return cast<uint32_t, uint64_t>();
  if (d == 4 && s == 2) return sign ? cast<int32_t, int16_t>() : cast<uint32_t, uint16_t>();
  if (d == 2 && s == 4) return cast<uint16_t, uint32_t>();
  if (d == 8 && s == 2) return sign ? cast<int64_t, int16_t>() : cast<uint64_t, uint16_t>();
  if (d == 2 && s == 8) return cast<uint16_t, uint64_t>();
  return nullptr;
}

Execute quick(const Decode& d, Type to, Type from) {
  if (d.out.flags != 0) return nullptr;
  const auto round = static_cast<Round>(d.out.option);
  const bool nearest = round == Round::nearest;
  if (!to.is_float() && !from.is_float()) return quick_integer(to, from, d.out.width, d.out.count);
  const bool f32 = to.kind == Type::Kind::float_ && to.bytes == 4;
  if (from.is_float() && from.bytes == 2 && f32) {
    return from.kind == Type::Kind::float_ ? unary<float, uint16_t, HalfToFloat>
                                           : unary<float, uint16_t, BfloatToFloat>;
  }
  if (from == Decode::f32 && nearest) {
    if (to.bytes == 2 && to.is_float()) {
      return to.kind == Type::Kind::float_ ? unary<uint16_t, float, FloatToHalf>
                                           : unary<uint16_t, float, FloatToBfloat>;
    }
    if (to.is_float() && to.bytes == 8) return unary<double, float, FloatToDouble>;
  }
  if (from == Decode::f32 && round == Round::zero && to.kind == Type::Kind::signed_ &&
      to.bytes == 4 && d.out.width == 4) {
    return unary<int32_t, float, FloatToInt>;
  }
  if (f32 && from.bytes == 4 && d.out.count == 4 && nearest && from.is_integer()) {
    return from.kind == Type::Kind::signed_ ? cast<float, int32_t>() : cast<float, uint32_t>();
  }
  return nullptr;
}

// d = {low: b, high: a}, both narrowed.
template <bool kHalf>
void pack_pair(Warp& warp, const Instruction& i, uint32_t lanes) {
  uint32_t* d = warp.at<uint32_t>(i.r[0]);
  const float* a = warp.at<float>(i.r[1]);
  const float* b = warp.at<float>(i.r[2]);
  const Type to = {kHalf ? Type::Kind::float_ : Type::Kind::bfloat, 2, false};
  const uint16_t flags = i.flags;
  const auto round = static_cast<Round>(i.option);
  each_lane(lanes, [=](uint32_t l) {
    const uint32_t high = narrow(static_cast<double>(a[l]), to, flags, round);
    const uint32_t low = narrow(static_cast<double>(b[l]), to, flags, round);
    d[l] = (high << 16) | low;
  });
}

void take_cvt_flags(Decode& d) {
  if (d.take("ftz")) d.out.flags |= kFlush;
  if (d.take("sat")) d.out.flags |= kSaturate;
  if (d.take("satfinite")) d.out.flags |= kFinite;
  if (d.take("relu")) d.out.flags |= kRelu;
}

// The roundings that each direction may and must name, as PTX has it. kIntegral is set for float to
// float of one type.
void check_rounding(Decode& d, Type to, Type from, int fraction, int integral) {
  const auto less = [](Type a, Type b) { return a.bytes < b.bytes; };
  if (from.is_float() && !to.is_float()) {
    if (integral < 0 || fraction >= 0) d.fail("an integer rounding is needed");
    d.out.option = static_cast<uint8_t>(integral);
  } else if (!from.is_float() && to.is_float()) {
    if (fraction < 0 || integral >= 0) d.fail("a rounding is needed");
    d.out.option = static_cast<uint8_t>(fraction);
  } else if (from.is_float() && to.is_float()) {
    if (to.bytes == from.bytes) {
      if (to.kind != from.kind || fraction >= 0) d.fail("these types aren't known here");
      if (integral >= 0) {
        d.out.option = static_cast<uint8_t>(integral);
        d.out.flags |= kIntegral;
      }
    } else if (less(to, from)) {
      if (fraction < 0 || integral >= 0) d.fail("a rounding is needed");
      d.out.option = static_cast<uint8_t>(fraction);
    } else if (fraction >= 0 || integral >= 0) {
      d.fail("a rounding isn't known here");
    }
  } else if (fraction >= 0 || integral >= 0) {
    d.fail("a rounding isn't known here");
  }
}

void decode_pair(Decode& d, Type to, int fraction, int integral) {
  const Type from = d.take_type();
  d.expect_operands(3, 3);
  if (!(from == Decode::f32) || fraction < 0 || fraction > 1 || integral >= 0 ||
      (d.out.flags & (kFlush | kSaturate)) != 0) {
    d.fail("this pair isn't known here");
  }
  d.needs(70, 80);
  d.out.option = static_cast<uint8_t>(fraction);
  d.out.r[1] = d.source(1, from);
  d.out.r[2] = d.source(2, from);
  d.out.r[0] = d.destination(0, to);
  d.out.execute = to.kind == Type::Kind::float_ ? pack_pair<true> : pack_pair<false>;
}

// Into a register of bits: nothing but mma reads it.
void decode_tf32(Decode& d) {
  if (!d.take("rna") || !d.take("tf32") || !(d.take_type() == Decode::f32)) {
    d.fail("only cvt.rna.tf32.f32 is known");
  }
  d.needs(70, 80);
  d.expect_operands(2, 2);
  d.out.r[1] = d.source(1, Decode::f32);
  d.out.r[0] = d.destination(0, Decode::b32);
  d.out.execute = unary<float, float, FloatToTf32>;
}

void decode_cvt(Decode& d) {
  if (d.peek("tf32")) return decode_tf32(d);
  const int fraction = d.take_one({"rn", "rz", "rm", "rp"});
  const int integral = d.take_one({"rni", "rzi", "rmi", "rpi"});
  take_cvt_flags(d);
  const Type to = d.take_type();
  if (to.packed) return decode_pair(d, to, fraction, integral);
  if (to.kind == Type::Kind::bfloat) d.needs(70, 80);
  const Type from = d.take_type();
  if (from.packed || from.kind == Type::Kind::bits || to.kind == Type::Kind::bits ||
      from.kind == Type::Kind::predicate || to.kind == Type::Kind::predicate) {
    d.fail("these types aren't known here");
  }
  const bool flushes = (d.out.flags & kFlush) != 0;
  if (flushes && !(from == Decode::f32) && !(to == Decode::f32)) d.fail(".ftz is for .f32 only");
  if ((d.out.flags & (kRelu | kFinite)) != 0 &&
      !(from == Decode::f32 && to.is_float() && to.bytes == 2)) {
    d.fail(".relu and .satfinite are for f32 to 16 bits only");
  }
  check_rounding(d, to, from, fraction, integral);
  d.expect_operands(2, 2);
  uint32_t bytes = 0;
  d.out.r[1] = d.wide_register(d.operand(1), from, false, bytes);
  d.out.count = static_cast<uint8_t>(bytes);
  d.out.r[0] = d.wide_register(d.operand(0), to, true, bytes);
  d.out.width = static_cast<uint8_t>(bytes);
  d.out.immediate = (pack(to) << 8) | pack(from);
  d.out.execute = quick(d, to, from);
  if (d.out.execute == nullptr) d.out.execute = convert_any;
}

}  // namespace

void add_convert_decoders(DecodeTable& table) { table["cvt"] = decode_cvt; }

}  // namespace nampemu
