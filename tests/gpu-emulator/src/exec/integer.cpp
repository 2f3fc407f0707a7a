// add sub mul mad mul24 mad24 sad div rem abs neg min max: integers. Names shared with floats start
// here and go on there.
#include <limits>
#include <type_traits>

#include "exec/int128.h"
#include "exec/lanes.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
using Wide =
    std::conditional_t<sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, Int128, UInt128>,
                       std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>>;

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
  }
};
struct Subtract {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
  }
};
struct AddSaturated {
  int32_t operator()(int32_t a, int32_t b) const {
    const int64_t sum = int64_t{a} + b;
    return static_cast<int32_t>(sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum);
  }
};
struct SubtractSaturated {
  int32_t operator()(int32_t a, int32_t b) const {
    const int64_t sum = int64_t{a} - b;
    return static_cast<int32_t>(sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum);
  }
};
struct MultiplyLow {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};
struct MultiplyHigh {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>((Wide<T>{a} * Wide<T>{b}) >> (sizeof(T) * 8));
  }
};
struct Divide {  // A device gives some value and no fault for a divisor of 0: all ones here.
  template <class T>
  T operator()(T a, T b) const {
    if (b == 0) return static_cast<T>(~T{0});
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Subtract{}(T{0}, a);
    return static_cast<T>(a / b);
  }
};
struct Remainder {
  template <class T>
  T operator()(T a, T b) const {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return static_cast<T>(a % b);
  }
};
struct Minimum {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? a : b;
  }
};
struct Maximum {
  template <class T>
  T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};
struct Absolute {
  template <class T>
  T operator()(T a) const {
    return a < 0 ? Subtract{}(T{0}, a) : a;
  }
};
struct Negate {
  template <class T>
  T operator()(T a) const {
    return Subtract{}(T{0}, a);
  }
};
struct MadLow {
  template <class T>
  T operator()(T a, T b, T c) const {
    return Add{}(MultiplyLow{}(a, b), c);
  }
};
struct MadHigh {
  template <class T>
  T operator()(T a, T b, T c) const {
    return Add{}(MultiplyHigh{}(a, b), c);
  }
};
struct MadHighSaturated {
  int32_t operator()(int32_t a, int32_t b, int32_t c) const {
    return AddSaturated{}(MultiplyHigh{}(a, b), c);
  }
};
struct Sad {
  template <class T>
  T operator()(T a, T b, T c) const {
    return Add{}(c, a < b ? Subtract{}(b, a) : Subtract{}(a, b));
  }
};

template <class D, class S>
void multiply_wide(Warp& warp, const Instruction& i, uint32_t lanes) {
  D* d = warp.at<D>(i.r[0]);
  const S* a = warp.at<S>(i.r[1]);
  const S* b = warp.at<S>(i.r[2]);
  each_lane(lanes, [=](uint32_t l) { d[l] = static_cast<D>(D{a[l]} * D{b[l]}); });
}
template <class D, class S>
void mad_wide(Warp& warp, const Instruction& i, uint32_t lanes) {
  D* d = warp.at<D>(i.r[0]);
  const S* a = warp.at<S>(i.r[1]);
  const S* b = warp.at<S>(i.r[2]);
  const D* c = warp.at<D>(i.r[3]);
  each_lane(lanes, [=](uint32_t l) { d[l] = Add{}(static_cast<D>(D{a[l]} * D{b[l]}), c[l]); });
}

// mul24 multiplies the low 24 bits, extended as the type says.
template <class T>
int64_t low24(T a) {
  return std::is_signed_v<T>
             ? static_cast<int64_t>(static_cast<int32_t>(static_cast<uint32_t>(a) << 8) >> 8)
             : static_cast<int64_t>(static_cast<uint32_t>(a) & 0xffffffU);
}
struct Multiply24Low {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<uint32_t>(low24(a) * low24(b)));
  }
};
struct Multiply24High {
  template <class T>
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<uint32_t>((low24(a) * low24(b)) >> 16));
  }
};
struct Mad24Low {
  template <class T>
  T operator()(T a, T b, T c) const {
    return Add{}(Multiply24Low{}(a, b), c);
  }
};
struct Mad24High {
  template <class T>
  T operator()(T a, T b, T c) const {
    return Add{}(Multiply24High{}(a, b), c);
  }
};

template <class F>
Execute pick_unary(Type t) {
  if (t.kind != Type::Kind::signed_) return nullptr;
  return t.bytes == 2   ? unary<int16_t, int16_t, F>
         : t.bytes == 4 ? unary<int32_t, int32_t, F>
         : t.bytes == 8 ? unary<int64_t, int64_t, F>
                        : nullptr;
}
template <class F>
Execute pick_binary(Type t) {
  if (!t.is_integer()) return nullptr;
  const bool s = t.kind == Type::Kind::signed_;
  switch (t.bytes) {
    case 2:
      return s ? binary<int16_t, int16_t, F> : binary<uint16_t, uint16_t, F>;
    case 4:
      return s ? binary<int32_t, int32_t, F> : binary<uint32_t, uint32_t, F>;
    case 8:
      return s ? binary<int64_t, int64_t, F> : binary<uint64_t, uint64_t, F>;
    default:
      return nullptr;
  }
}
template <class F>
Execute pick_ternary(Type t) {
  if (!t.is_integer()) return nullptr;
  const bool s = t.kind == Type::Kind::signed_;
  switch (t.bytes) {
    case 2:
      return s ? ternary<int16_t, int16_t, F> : ternary<uint16_t, uint16_t, F>;
    case 4:
      return s ? ternary<int32_t, int32_t, F> : ternary<uint32_t, uint32_t, F>;
    case 8:
      return s ? ternary<int64_t, int64_t, F> : ternary<uint64_t, uint64_t, F>;
    default:
      return nullptr;
  }
}

void finish(Decode& d, Type t, size_t sources, Execute execute) {
  if (execute == nullptr) d.fail("this type isn't known here");
  d.expect_operands(sources + 1, sources + 1);
  d.out.execute = execute;
  for (size_t k = 1; k <= sources; ++k)
    d.out.r[k] = d.source(k, t);
  d.out.r[0] = d.destination(0, t);
}

bool decode_float(Decode& d, Type t) {
  return t.is_float() && (decode_float_arithmetic(d, t) || decode_half_arithmetic(d, t));
}

template <class F, class Saturated>
void decode_sum(Decode& d) {
  const Type t = d.take_type();
  if (decode_float(d, t)) return;
  if (d.take("sat")) {
    if (t.kind != Type::Kind::signed_ || t.bytes != 4) d.fail(".sat is for .s32 only");
    return finish(d, t, 2, binary<int32_t, int32_t, Saturated>);
  }
  finish(d, t, 2, pick_binary<F>(t));
}

Execute pick_wide(Type t, bool mad) {
  const bool s = t.kind == Type::Kind::signed_;
  if (!t.is_integer() || (t.bytes != 2 && t.bytes != 4)) return nullptr;
  if (t.bytes == 2) {
    if (mad) return s ? mad_wide<int32_t, int16_t> : mad_wide<uint32_t, uint16_t>;
    return s ? multiply_wide<int32_t, int16_t> : multiply_wide<uint32_t, uint16_t>;
  }
  if (mad) return s ? mad_wide<int64_t, int32_t> : mad_wide<uint64_t, uint32_t>;
  return s ? multiply_wide<int64_t, int32_t> : multiply_wide<uint64_t, uint32_t>;
}

void decode_product(Decode& d, bool mad) {
  const Type t = d.take_type();
  if (decode_float(d, t)) return;
  const size_t sources = mad ? 3 : 2;
  switch (d.take_one({"lo", "hi", "wide"})) {
    case 0:
      return finish(d, t, sources, mad ? pick_ternary<MadLow>(t) : pick_binary<MultiplyLow>(t));
    case 1:
      if (mad && d.take("sat")) {
        if (t.kind != Type::Kind::signed_ || t.bytes != 4) d.fail(".sat is for .s32 only");
        return finish(d, t, 3, ternary<int32_t, int32_t, MadHighSaturated>);
      }
      return finish(d, t, sources, mad ? pick_ternary<MadHigh>(t) : pick_binary<MultiplyHigh>(t));
    case 2: {
      d.out.execute = pick_wide(t, mad);
      if (d.out.execute == nullptr) d.fail("this type isn't known here");
      d.expect_operands(sources + 1, sources + 1);
      const Type wide = {t.kind, static_cast<uint8_t>(t.bytes * 2), false};
      d.out.r[1] = d.source(1, t);
      d.out.r[2] = d.source(2, t);
      if (mad) d.out.r[3] = d.source(3, wide);
      d.out.r[0] = d.destination(0, wide);
      return;
    }
    default:
      d.fail(".lo, .hi or .wide is missing");
  }
}

void decode_24(Decode& d, bool mad) {
  const Type t = d.take_type();
  if (t.bytes != 4 || !t.is_integer()) d.fail("this type isn't known here");
  const int half = d.take_one({"lo", "hi"});
  if (half < 0) d.fail(".lo or .hi is missing");
  const bool low = half == 0;
  if (mad) return finish(d, t, 3, low ? pick_ternary<Mad24Low>(t) : pick_ternary<Mad24High>(t));
  finish(d, t, 2, low ? pick_binary<Multiply24Low>(t) : pick_binary<Multiply24High>(t));
}

template <class F>
void decode_binary(Decode& d) {
  const Type t = d.take_type();
  if (decode_float(d, t)) return;
  finish(d, t, 2, pick_binary<F>(t));
}
template <class F>
void decode_unary(Decode& d) {
  const Type t = d.take_type();
  if (decode_float(d, t)) return;
  finish(d, t, 1, pick_unary<F>(t));
}

}  // namespace

void add_integer_decoders(DecodeTable& table) {
  table["add"] = decode_sum<Add, AddSaturated>;
  table["sub"] = decode_sum<Subtract, SubtractSaturated>;
  table["mul"] = [](Decode& d) { decode_product(d, false); };
  table["mad"] = [](Decode& d) { decode_product(d, true); };
  table["mul24"] = [](Decode& d) { decode_24(d, false); };
  table["mad24"] = [](Decode& d) { decode_24(d, true); };
  table["div"] = decode_binary<Divide>;
  table["rem"] = decode_binary<Remainder>;
  table["min"] = decode_binary<Minimum>;
  table["max"] = decode_binary<Maximum>;
  table["abs"] = decode_unary<Absolute>;
  table["neg"] = decode_unary<Negate>;
  table["sad"] = [](Decode& d) {
    const Type t = d.take_type();
    finish(d, t, 3, pick_ternary<Sad>(t));
  };
}

}  // namespace nampemu
