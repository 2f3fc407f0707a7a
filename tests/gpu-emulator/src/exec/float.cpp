// f32 and f64: add sub mul fma mad div rcp sqrt rsqrt min max abs neg copysign testp ex2 lg2 sin
// cos tanh. The approximations (.approx, .full) give the host's value rounded to the type: nearer
// than a device's, inside what PTX promises.
#include <cmath>
#include <limits>
#include <type_traits>

#include "exec/lanes.h"
#include "exec/rounding.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

enum : uint16_t { kFlush = 1, kSaturate = 2, kNan = 4, kXorSign = 8, kAbsolute = 16 };

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return a + b;
  }
};
struct Subtract {
  template <class T>
  T operator()(T a, T b) const {
    return a - b;
  }
};
struct Multiply {
  template <class T>
  T operator()(T a, T b) const {
    return a * b;
  }
};
struct Divide {
  template <class T>
  T operator()(T a, T b) const {
    return a / b;
  }
};
struct FusedMultiplyAdd {
  template <class T>
  T operator()(T a, T b, T c) const {
    return std::fma(a, b, c);
  }
};
struct Reciprocal {
  template <class T>
  T operator()(T a) const {
    return T{1} / a;
  }
};
// 20 bits of fraction: the high word of the double, as PTX has it.
struct ReciprocalTruncated {
  double operator()(double a) const {
    return std::bit_cast<double>(std::bit_cast<uint64_t>(1 / a) & 0xffffffff00000000);
  }
};
struct ReciprocalRootTruncated {
  double operator()(double a) const {
    return std::bit_cast<double>(std::bit_cast<uint64_t>(1 / std::sqrt(a)) & 0xffffffff00000000);
  }
};
struct SquareRoot {
  template <class T>
  T operator()(T a) const {
    return std::sqrt(a);
  }
};
struct ReciprocalRoot {
  template <class T>
  T operator()(T a) const {
    return static_cast<T>(1 / std::sqrt(static_cast<double>(a)));
  }
};
struct PowerOfTwo {
  float operator()(float a) const { return static_cast<float>(std::exp2(static_cast<double>(a))); }
};
struct LogarithmOfTwo {
  float operator()(float a) const { return static_cast<float>(std::log2(static_cast<double>(a))); }
};
struct Sine {
  float operator()(float a) const { return static_cast<float>(std::sin(static_cast<double>(a))); }
};
struct Cosine {
  float operator()(float a) const { return static_cast<float>(std::cos(static_cast<double>(a))); }
};
struct HyperbolicTangent {
  float operator()(float a) const { return static_cast<float>(std::tanh(static_cast<double>(a))); }
};

template <class T>
T finish_value(T value, uint16_t flags) {
  value = canonical(value);
  if ((flags & kFlush) != 0) value = flush(value);
  if ((flags & kSaturate) != 0) value = value > 0 ? (value < 1 ? value : T{1}) : T{0};  // NaN: 0
  return value;
}
template <class T>
T start_value(T value, uint16_t flags) {
  return (flags & kFlush) != 0 ? flush(value) : value;
}

// Nearest, nothing flushed or clamped: the loop that the compiler vectorizes.
template <class T, class F>
struct Plain {
  T operator()(T a) const { return canonical(static_cast<T>(F{}(a))); }
  T operator()(T a, T b) const { return canonical(static_cast<T>(F{}(a, b))); }
  T operator()(T a, T b, T c) const { return canonical(static_cast<T>(F{}(a, b, c))); }
};

template <class T, class F, int kSources>
void general(Warp& warp, const Instruction& i, uint32_t lanes) {
  const RoundingScope scope(static_cast<Round>(i.option));
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const T* b = kSources > 1 ? warp.at<T>(i.r[2]) : a;
  const T* c = kSources > 2 ? warp.at<T>(i.r[3]) : a;
  const uint16_t flags = i.flags;
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto l = static_cast<uint32_t>(std::countr_zero(lanes));
    const T x = start_value(a[l], flags);
    T result;
    if constexpr (kSources == 1) {
      result = F{}(x);
    } else if constexpr (kSources == 2) {
      result = F{}(x, start_value(b[l], flags));
    } else {
      result = F{}(x, start_value(b[l], flags), start_value(c[l], flags));
    }
    d[l] = finish_value(result, flags);
  }
}

// One NaN gives the other operand, unless .NaN; -0 is below +0.
template <class T, bool kMinimum>
T extreme(T a, T b, uint16_t flags) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr Bits sign = Bits{1} << (sizeof(T) * 8 - 1);
  a = start_value(a, flags);
  b = start_value(b, flags);
  const bool negative = ((std::bit_cast<Bits>(a) ^ std::bit_cast<Bits>(b)) & sign) != 0;
  if ((flags & kAbsolute) != 0) {
    a = std::bit_cast<T>(std::bit_cast<Bits>(a) & ~sign);
    b = std::bit_cast<T>(std::bit_cast<Bits>(b) & ~sign);
  }
  const bool na = a != a;
  const bool nb = b != b;
  T result;
  if (na || nb) {
    result = (na && nb) || (flags & kNan) != 0 ? canonical(std::numeric_limits<T>::quiet_NaN())
                                               : (na ? b : a);
    if (result != result) return result;
  } else if (a == b) {
    const bool first = std::signbit(a) == kMinimum;
    result = first ? a : b;
  } else {
    result = (a < b) == kMinimum ? a : b;
  }
  if ((flags & kXorSign) != 0) {
    result = std::bit_cast<T>((std::bit_cast<Bits>(result) & ~sign) | (negative ? sign : 0));
  }
  return result;
}
template <class T, bool kMinimum>
void minmax(Warp& warp, const Instruction& i, uint32_t lanes) {
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const T* b = warp.at<T>(i.r[2]);
  const uint16_t flags = i.flags;
  each_lane(lanes, [=](uint32_t l) { d[l] = extreme<T, kMinimum>(a[l], b[l], flags); });
}

// abs and neg change the sign bit. A NaN of f32 comes out as the canonical one: PTX promises "an unspecified NaN" there, and
// devices do give that one. Bits that are to stay must not go through either.
template <class T, bool kNegate>
void sign(Warp& warp, const Instruction& i, uint32_t lanes) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr Bits top = Bits{1} << (sizeof(T) * 8 - 1);
  T* d = warp.at<T>(i.r[0]);
  const T* a = warp.at<T>(i.r[1]);
  const uint16_t flags = i.flags;
  each_lane(lanes, [=](uint32_t l) {
    const Bits bits = std::bit_cast<Bits>(start_value(a[l], flags));
    d[l] = canonical(std::bit_cast<T>(kNegate ? bits ^ top : bits & ~top));
  });
}
template <class T>
struct CopySign {  // the sign of a, the rest of b
  T operator()(T a, T b) const { return std::copysign(b, a); }
};

enum Test : uint8_t { kFinite, kInfinite, kNumber, kNotANumber, kNormal, kSubnormal };
template <class T>
void testp(Warp& warp, const Instruction& i, uint32_t lanes) {
  const T* a = warp.at<T>(i.r[1]);
  const uint8_t test = i.option;
  set_predicate(warp.mask(i.r[0]), lanes, [=](uint32_t l) {
    const int kind = std::fpclassify(a[l]);
    switch (test) {
      case kFinite:
        return kind != FP_NAN && kind != FP_INFINITE;
      case kInfinite:
        return kind == FP_INFINITE;
      case kNumber:
        return kind != FP_NAN;
      case kNotANumber:
        return kind == FP_NAN;
      case kNormal:
        return kind == FP_NORMAL;
      default:
        return kind == FP_SUBNORMAL;
    }
  });
}

void take_flush(Decode& d, Type t) {
  if (!d.take("ftz")) return;
  if (t.bytes != 4) d.fail(".ftz is for .f32 only");
  d.out.flags |= kFlush;
}

// -1 where no rounding is written.
int take_rounding(Decode& d) {
  const int round = d.take_one({"rn", "rz", "rm", "rp"});
  d.out.option = static_cast<uint8_t>(round < 0 ? 0 : round);
  return round;
}

void take_operands(Decode& d, Type t, size_t sources) {
  d.expect_operands(sources + 1, sources + 1);
  for (size_t k = 1; k <= sources; ++k)
    d.out.r[k] = d.source(k, t);
  d.out.r[0] = d.destination(0, t);
}

template <class F, int kSources>
void set_execute(Decode& d, Type t) {
  const bool plain = d.out.option == 0 && d.out.flags == 0;
  if (t.bytes == 4) {
    using P = Plain<float, F>;
    d.out.execute =
        !plain          ? general<float, F, kSources>
        : kSources == 1 ? general<float, F, kSources>
        : kSources == 2
            ? binary<float, float, std::conditional_t<kSources == 2, P, Plain<float, Add>>>
            : ternary<float, float,
                      std::conditional_t<kSources == 3, P, Plain<float, FusedMultiplyAdd>>>;
  } else {
    d.out.execute = general<double, F, kSources>;
  }
}

template <class F, int kSources>
void decode_rounded(Decode& d, Type t, bool may_saturate) {
  take_rounding(d);
  take_flush(d, t);
  if (may_saturate && d.take("sat")) {
    if (t.bytes != 4) d.fail(".sat is for .f32 only");
    d.out.flags |= kSaturate;
  }
  take_operands(d, t, kSources);
  set_execute<F, kSources>(d, t);
}

void decode_divide(Decode& d, Type t) {
  const bool loose = d.take("approx") || d.take("full");
  const int round = take_rounding(d);
  if (loose == (round >= 0) || (loose && t.bytes != 4)) d.fail("this rounding isn't known here");
  take_flush(d, t);
  take_operands(d, t, 2);
  set_execute<Divide, 2>(d, t);
}

template <bool kMinimum>
void decode_minmax(Decode& d, Type t) {
  take_flush(d, t);
  if (d.take("NaN")) d.out.flags |= kNan;
  if (d.take("xorsign")) {
    if (!d.take("abs")) d.fail(".xorsign needs .abs");
    d.out.flags |= kXorSign | kAbsolute;
  }
  if (t.bytes == 8 && d.out.flags != 0) d.fail("a modifier isn't known for .f64");
  take_operands(d, t, 2);
  d.out.execute = t.bytes == 4 ? minmax<float, kMinimum> : minmax<double, kMinimum>;
}

template <bool kNegate>
void decode_sign(Decode& d, Type t) {
  take_flush(d, t);
  take_operands(d, t, 1);
  d.out.execute = t.bytes == 4 ? sign<float, kNegate> : sign<double, kNegate>;
}

template <class F>
void decode_approximation(Decode& d) {
  const Type t = d.take_type();
  if (t.kind != Type::Kind::float_ || t.bytes != 4 || t.packed) {
    if (decode_half_arithmetic(d, t)) return;
    d.fail("this type isn't known here");
  }
  if (!d.take("approx")) d.fail(".approx is missing");
  if (!std::is_same_v<F, HyperbolicTangent>) take_flush(d, t);
  take_operands(d, t, 1);
  d.out.execute = general<float, F, 1>;
}

Type take_float(Decode& d) {
  const Type t = d.take_type();
  if (t.kind != Type::Kind::float_ || t.packed || t.bytes < 4) d.fail("this type isn't known here");
  return t;
}

void decode_reciprocal(Decode& d) {
  const Type t = take_float(d);
  const bool approximate = d.take("approx");
  if (approximate && t.bytes == 8) {
    if (!d.take("ftz")) d.fail(".ftz is missing");
    take_operands(d, t, 1);
    d.out.execute = general<double, ReciprocalTruncated, 1>;
    return;
  }
  if (approximate == (take_rounding(d) >= 0)) d.fail("this rounding isn't known here");
  take_flush(d, t);
  take_operands(d, t, 1);
  set_execute<Reciprocal, 1>(d, t);
}

void decode_root(Decode& d) {
  const Type t = take_float(d);
  const bool approximate = d.take("approx");
  if (approximate == (take_rounding(d) >= 0) || (approximate && t.bytes == 8)) {
    d.fail("this rounding isn't known here");
  }
  take_flush(d, t);
  take_operands(d, t, 1);
  set_execute<SquareRoot, 1>(d, t);
}

void decode_reciprocal_root(Decode& d) {
  const Type t = take_float(d);
  if (!d.take("approx")) d.fail(".approx is missing");
  if (t.bytes == 8) {
    const bool truncated = d.take("ftz");
    take_operands(d, t, 1);
    d.out.execute = truncated ? general<double, ReciprocalRootTruncated, 1>
                              : general<double, ReciprocalRoot, 1>;
    return;
  }
  take_flush(d, t);
  take_operands(d, t, 1);
  d.out.execute = general<float, ReciprocalRoot, 1>;
}

void decode_test(Decode& d) {
  const int test =
      d.take_one({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  if (test < 0) d.fail("the test is missing");
  const Type t = take_float(d);
  d.expect_operands(2, 2);
  d.out.option = static_cast<uint8_t>(test);
  d.out.r[1] = d.source(1, t);
  d.out.r[0] = d.destination(0, Decode::pred);
  d.out.execute = t.bytes == 4 ? testp<float> : testp<double>;
}

}  // namespace

bool decode_float_arithmetic(Decode& d, Type t) {
  if (t.kind != Type::Kind::float_ || t.packed || t.bytes < 4) return false;
  const std::string& name = d.statement.opcode;
  if (name == "add") {
    decode_rounded<Add, 2>(d, t, true);
  } else if (name == "sub") {
    decode_rounded<Subtract, 2>(d, t, true);
  } else if (name == "mul") {
    decode_rounded<Multiply, 2>(d, t, true);
  } else if (name == "mad" || name == "fma") {
    if (!d.peek("rn") && !d.peek("rz") && !d.peek("rm") && !d.peek("rp")) {
      d.fail("the rounding is missing");
    }
    decode_rounded<FusedMultiplyAdd, 3>(d, t, true);
  } else if (name == "div") {
    decode_divide(d, t);
  } else if (name == "min") {
    decode_minmax<true>(d, t);
  } else if (name == "max") {
    decode_minmax<false>(d, t);
  } else if (name == "abs") {
    decode_sign<false>(d, t);
  } else if (name == "neg") {
    decode_sign<true>(d, t);
  } else {
    return false;
  }
  return true;
}

void add_float_decoders(DecodeTable& table) {
  table["fma"] = [](Decode& d) {
    const Type t = d.take_type();
    if (!decode_float_arithmetic(d, t) && !decode_half_arithmetic(d, t)) {
      d.fail("this type isn't known here");
    }
  };
  table["rcp"] = decode_reciprocal;
  table["sqrt"] = decode_root;
  table["rsqrt"] = decode_reciprocal_root;
  table["ex2"] = decode_approximation<PowerOfTwo>;
  table["lg2"] = decode_approximation<LogarithmOfTwo>;
  table["sin"] = decode_approximation<Sine>;
  table["cos"] = decode_approximation<Cosine>;
  table["tanh"] = decode_approximation<HyperbolicTangent>;
  table["testp"] = decode_test;
  table["copysign"] = [](Decode& d) {
    const Type t = take_float(d);
    take_operands(d, t, 2);
    d.out.execute = t.bytes == 4 ? binary<float, float, CopySign<float>>
                                 : binary<double, double, CopySign<double>>;
  };
}

}  // namespace nampemu
