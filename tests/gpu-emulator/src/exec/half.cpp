// f16, f16x2, bf16, bf16x2: add sub mul fma min max abs neg ex2 tanh, each half of a pair for
// itself. Every result is rounded once.
#include <cmath>
#include <type_traits>

#include "exec/lanes.h"
#include "exec/rounding.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

enum : uint16_t { kFlush = 1, kSaturate = 2, kNan = 4, kRelu = 8 };

struct F16 {
  static constexpr uint16_t kOne = 0x3c00;
  static constexpr uint16_t kExponent = 0x7c00;
  static float widen(uint16_t bits) { return half_to_float(bits); }
  static uint16_t narrow(float value) { return float_to_half(value); }
  static uint16_t narrow_odd(double value) { return Binary16::narrow(value, Round::nearest); }
};
struct Bf16 {
  static constexpr uint16_t kOne = 0x3f80;
  static constexpr uint16_t kExponent = 0x7f80;
  static float widen(uint16_t bits) { return bfloat_to_float(bits); }
  static uint16_t narrow(float value) { return float_to_bfloat(value); }
  static uint16_t narrow_odd(double value) { return Bfloat16::narrow(value, Round::nearest); }
};

template <class H>
bool is_nan(uint16_t bits) {
  return (bits & 0x7fff) > H::kExponent;
}
template <class H>
uint16_t start(uint16_t bits, uint16_t flags) {
  return (flags & kFlush) != 0 && (bits & H::kExponent) == 0 ? bits & 0x8000 : bits;
}
template <class H>
uint16_t finish(uint16_t bits, uint16_t flags) {
  if ((flags & kFlush) != 0 && (bits & H::kExponent) == 0) bits &= 0x8000;
  if ((flags & kSaturate) != 0) {
    if (is_nan<H>(bits) || (bits & 0x8000) != 0) return 0;
    return bits > H::kOne ? H::kOne : bits;
  }
  if ((flags & kRelu) != 0) {
    if (is_nan<H>(bits)) return kCanonicalHalfNan;
    if ((bits & 0x8000) != 0) return 0;
  }
  return bits;
}

// A float has more than twice a half's digits and two: its sum, difference and product, rounded
// again, are rounded right.
struct Add {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t b, uint16_t, uint16_t) {
    return H::narrow(H::widen(a) + H::widen(b));
  }
};
struct Subtract {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t b, uint16_t, uint16_t) {
    return H::narrow(H::widen(a) - H::widen(b));
  }
};
struct Multiply {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t b, uint16_t, uint16_t) {
    return H::narrow_odd(static_cast<double>(H::widen(a)) * static_cast<double>(H::widen(b)));
  }
};
struct FusedMultiplyAdd {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t b, uint16_t c, uint16_t) {
    return H::narrow_odd(odd_fma(static_cast<double>(H::widen(a)), static_cast<double>(H::widen(b)),
                                 static_cast<double>(H::widen(c))));
  }
};
template <bool kMinimum>
struct Extreme {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t b, uint16_t, uint16_t flags) {
    const bool na = is_nan<H>(a);
    const bool nb = is_nan<H>(b);
    if (na || nb) {
      return (na && nb) || (flags & kNan) != 0 ? kCanonicalHalfNan : (na ? b : a);
    }
    // As integers in two's complement order: -0 below +0.
    const auto order = [](uint16_t bits) {
      return (bits & 0x8000) != 0 ? -static_cast<int>(bits & 0x7fff) - 1 : static_cast<int>(bits);
    };
    return (order(a) < order(b)) == kMinimum ? a : b;
  }
};
// Which NaN comes of one, PTX leaves open.
struct Absolute {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t, uint16_t, uint16_t) {
    return is_nan<H>(a) ? kCanonicalHalfNan : a & 0x7fff;
  }
};
struct Negate {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t, uint16_t, uint16_t) {
    return is_nan<H>(a) ? kCanonicalHalfNan : a ^ 0x8000;
  }
};
struct PowerOfTwo {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t, uint16_t, uint16_t) {
    return H::narrow_odd(std::exp2(static_cast<double>(H::widen(a))));
  }
};
struct HyperbolicTangent {
  template <class H>
  static uint16_t of(uint16_t a, uint16_t, uint16_t, uint16_t) {
    return H::narrow_odd(std::tanh(static_cast<double>(H::widen(a))));
  }
};

template <class H, class F, class Word>
void run(Warp& warp, const Instruction& i, uint32_t lanes) {
  Word* d = warp.at<Word>(i.r[0]);
  const Word* a = warp.at<Word>(i.r[1]);
  const Word* b = i.r[2] == kNone ? a : warp.at<Word>(i.r[2]);
  const Word* c = i.r[3] == kNone ? a : warp.at<Word>(i.r[3]);
  const uint16_t flags = i.flags;
  each_lane(lanes, [=](uint32_t l) {
    const auto one = [=](unsigned shift) {
      const auto x = start<H>(static_cast<uint16_t>(a[l] >> shift), flags);
      const auto y = start<H>(static_cast<uint16_t>(b[l] >> shift), flags);
      const auto z = start<H>(static_cast<uint16_t>(c[l] >> shift), flags);
      return static_cast<Word>(finish<H>(F::template of<H>(x, y, z, flags), flags));
    };
    if constexpr (sizeof(Word) == 2) {
      d[l] = one(0);
    } else {
      const Word low = one(0);
      d[l] = low | (one(16) << 16);
    }
  });
}

template <class F>
void decode(Decode& d, Type t, size_t sources) {
  d.expect_operands(sources + 1, sources + 1);
  for (size_t k = 1; k <= sources; ++k)
    d.out.r[k] = d.source(k, t);
  d.out.r[0] = d.destination(0, t);
  const bool half = t.kind == Type::Kind::float_;
  d.out.execute = t.packed ? (half ? run<F16, F, uint32_t> : run<Bf16, F, uint32_t>)
                           : (half ? run<F16, F, uint16_t> : run<Bf16, F, uint16_t>);
}

void take_flags(Decode& d, Type t, bool saturate, bool relu, bool nan) {
  const bool half = t.kind == Type::Kind::float_;
  if (half && d.take("ftz")) d.out.flags |= kFlush;
  if (half && saturate && d.take("sat")) d.out.flags |= kSaturate;
  if (relu && d.take("relu")) d.out.flags |= kRelu;
  if (nan && d.take("NaN")) d.out.flags |= kNan;
}

}  // namespace

bool decode_half_arithmetic(Decode& d, Type t) {
  if (!t.is_float() || (t.bytes != 2 && !t.packed)) return false;
  const std::string& name = d.statement.opcode;
  if (name == "add" || name == "sub" || name == "mul") {
    d.take("rn");
    take_flags(d, t, true, false, false);
    name == "add"   ? decode<Add>(d, t, 2)
    : name == "sub" ? decode<Subtract>(d, t, 2)
                    : decode<Multiply>(d, t, 2);
  } else if (name == "fma") {
    if (!d.take("rn")) d.fail(".rn is missing");
    take_flags(d, t, true, true, false);
    decode<FusedMultiplyAdd>(d, t, 3);
  } else if (name == "min" || name == "max") {
    take_flags(d, t, false, false, true);
    name == "min" ? decode<Extreme<true>>(d, t, 2) : decode<Extreme<false>>(d, t, 2);
  } else if (name == "abs" || name == "neg") {
    take_flags(d, t, false, false, false);
    name == "abs" ? decode<Absolute>(d, t, 1) : decode<Negate>(d, t, 1);
  } else if (name == "ex2" || name == "tanh") {
    if (!d.take("approx")) d.fail(".approx is missing");
    // bf16's ex2 is written with .ftz and flushes.
    if (name == "ex2" && t.kind == Type::Kind::bfloat) {
      if (!d.take("ftz")) d.fail(".ftz is missing");
      d.out.flags |= kFlush;
    }
    name == "ex2" ? decode<PowerOfTwo>(d, t, 1) : decode<HyperbolicTangent>(d, t, 1);
  } else {
    return false;
  }
  return true;
}

}  // namespace nampemu
