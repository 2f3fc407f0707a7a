// atom red: one lane after the other, in the order of lanes, so that a sum of floats is the same
// every time.
#include <cstring>
#include <functional>
#include <type_traits>

#include "exec/access.h"
#include "exec/lanes.h"
#include "exec/race.h"
#include "exec/rounding.h"
#include "exec/trace.h"
#include "ptx/decoder.h"

namespace nampemu {
namespace {

struct Add {
  template <class T>
  T operator()(T old, T b, T) const {
    if constexpr (std::is_floating_point_v<T>) {
      return canonical(old + b);
    } else {
      return static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) +
                            static_cast<std::make_unsigned_t<T>>(b));
    }
  }
};
// atom.add.f32 on global memory flushes subnormals.
struct AddFlushed {
  float operator()(float old, float b, float) const {
    return flush(canonical(flush(old) + flush(b)));
  }
};
// A generic address tells only when it is used which of the two it is.
struct AddByRegion {};

// r[0] old value (kNone for red), r[1] operand, r[2] second operand of cas, r[4] address.
template <class T, class F>
void atomic(Warp& warp, const Instruction& i, uint32_t lanes) {
  Access access;
  resolve(warp, i, lanes, i.r[4], sizeof(T), "atomic", access);
  note_atomic(warp, i, access);
  const T* b = warp.at<T>(i.r[1]);
  const T* c = i.r[2] == kNone ? b : warp.at<T>(i.r[2]);
  T* d = i.r[0] == kNone ? nullptr : warp.at<T>(i.r[0]);
  Trace* trace = warp.block->launch->trace;
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto l = static_cast<uint32_t>(std::countr_zero(lanes));
    T old;
    std::memcpy(&old, access.at(l), sizeof old);
    T value;
    if constexpr (std::is_same_v<F, AddByRegion>) {
      const bool global = region_of(warp, i, access, l).space != Space::shared;
      value = global ? AddFlushed{}(old, b[l], c[l]) : Add{}(old, b[l], c[l]);
    } else {
      value = F{}(old, b[l], c[l]);
    }
    if constexpr (std::is_integral_v<T>) {
      if (trace != nullptr && region_of(warp, i, access, l).space == Space::global)
        trace->note_atomic(*warp.block, access.address[l], access.at(l), old, b[l],
                           std::is_same_v<F, Add>);
    }
    std::memcpy(access.at(l), &value, sizeof value);
    if (d != nullptr) d[l] = old;
  }
}

uint16_t add_half(uint16_t a, uint16_t b) {
  return float_to_half(half_to_float(a) + half_to_float(b));
}
uint16_t add_bfloat(uint16_t a, uint16_t b) {
  return float_to_bfloat(bfloat_to_float(a) + bfloat_to_float(b));
}
template <uint16_t (*kAdd)(uint16_t, uint16_t)>
struct AddSmall {
  uint16_t operator()(uint16_t old, uint16_t b, uint16_t) const { return kAdd(old, b); }
};
template <uint16_t (*kAdd)(uint16_t, uint16_t)>
struct AddPair {
  uint32_t operator()(uint32_t old, uint32_t b, uint32_t) const {
    const uint32_t low = kAdd(static_cast<uint16_t>(old), static_cast<uint16_t>(b));
    const uint32_t high = kAdd(static_cast<uint16_t>(old >> 16), static_cast<uint16_t>(b >> 16));
    return low | (high << 16);
  }
};
struct Minimum {
  template <class T>
  T operator()(T old, T b, T) const {
    return b < old ? b : old;
  }
};
struct Maximum {
  template <class T>
  T operator()(T old, T b, T) const {
    return old < b ? b : old;
  }
};
struct Exchange {
  template <class T>
  T operator()(T, T b, T) const {
    return b;
  }
};
struct CompareAndSwap {
  template <class T>
  T operator()(T old, T b, T c) const {
    return old == b ? c : old;
  }
};
struct And {
  template <class T>
  T operator()(T old, T b, T) const {
    return old & b;
  }
};
struct Or {
  template <class T>
  T operator()(T old, T b, T) const {
    return old | b;
  }
};
struct Xor {
  template <class T>
  T operator()(T old, T b, T) const {
    return old ^ b;
  }
};
struct Increment {
  uint32_t operator()(uint32_t old, uint32_t b, uint32_t) const { return old >= b ? 0 : old + 1; }
};
struct Decrement {
  uint32_t operator()(uint32_t old, uint32_t b, uint32_t) const {
    return old == 0 || old > b ? b : old - 1;
  }
};

enum Operation { kAdd, kMin, kMax, kExch, kCas, kAnd, kOr, kXor, kInc, kDec };

Execute pick_float_add(Decode& d, Type t) {
  if (t.kind == Type::Kind::float_) {
    if (t.packed) return atomic<uint32_t, AddPair<add_half>>;
    if (t.bytes == 2) return atomic<uint16_t, AddSmall<add_half>>;
    if (t.bytes == 4) {
      return d.out.space == Space::global   ? atomic<float, AddFlushed>
             : d.out.space == Space::shared ? atomic<float, Add>
                                            : atomic<float, AddByRegion>;
    }
    return atomic<double, Add>;
  }
  if (t.kind == Type::Kind::bfloat) {
    return t.packed ? atomic<uint32_t, AddPair<add_bfloat>>
                    : atomic<uint16_t, AddSmall<add_bfloat>>;
  }
  d.fail("this type isn't known here");
}

template <class F>
Execute pick_bits(Type t) {
  if (t.bytes == 4) return atomic<uint32_t, F>;
  return t.bytes == 8 ? atomic<uint64_t, F> : nullptr;
}
template <class F>
Execute pick_ordered(Type t) {
  if (!t.is_integer()) return nullptr;
  const bool s = t.kind == Type::Kind::signed_;
  if (t.bytes == 4) return s ? atomic<int32_t, F> : atomic<uint32_t, F>;
  return t.bytes == 8 ? (s ? atomic<int64_t, F> : atomic<uint64_t, F>) : nullptr;
}

Execute pick(Decode& d, int operation, Type t) {
  const bool bits = t.kind == Type::Kind::bits;
  switch (operation) {
    case kAdd:
      if (t.is_float()) return pick_float_add(d, t);
      return t.is_integer() && !(t.kind == Type::Kind::signed_ && t.bytes == 8) ? pick_bits<Add>(t)
                                                                                : nullptr;
    case kMin:
      return pick_ordered<Minimum>(t);
    case kMax:
      return pick_ordered<Maximum>(t);
    case kExch:
      return bits ? pick_bits<Exchange>(t) : nullptr;
    case kCas:
      if (bits && t.bytes == 2) return atomic<uint16_t, CompareAndSwap>;
      return bits ? pick_bits<CompareAndSwap>(t) : nullptr;
    case kAnd:
      return bits ? pick_bits<And>(t) : nullptr;
    case kOr:
      return bits ? pick_bits<Or>(t) : nullptr;
    case kXor:
      return bits ? pick_bits<Xor>(t) : nullptr;
    default:
      if (t.kind != Type::Kind::unsigned_ || t.bytes != 4) return nullptr;
      return operation == kInc ? atomic<uint32_t, Increment> : atomic<uint32_t, Decrement>;
  }
}

void decode_atomic(Decode& d, bool returns) {
  d.out.space = take_space(d);
  if (d.out.space == Space::local || d.out.space == Space::constant ||
      d.out.space == Space::param) {
    d.fail("this space isn't known here");
  }
  d.out.flags |= kAtomicAccess | kSynchronizes;
  const int semantics = d.take_one({"relaxed", "release", "acquire", "acq_rel"});
  if (semantics == 1 || semantics == 3) d.out.flags |= kFenceBefore;
  if (semantics == 2 || semantics == 3) d.out.flags |= kFenceAfter;
  take_scope(d);
  const int operation =
      d.take_one({"add", "min", "max", "exch", "cas", "and", "or", "xor", "inc", "dec"});
  if (operation < 0) d.fail("the operation is missing");
  const bool no_flush = d.take("noftz");
  const Type t = d.take_type();
  const bool small = t.is_float() && (t.bytes == 2 || t.packed);
  if (no_flush != small) d.fail(".noftz is for 16-bit floats, which need it");
  if (!returns && (operation == kExch || operation == kCas))
    d.fail("red doesn't know this operation");
  d.out.execute = pick(d, operation, t);
  if (d.out.execute == nullptr) d.fail("this type isn't known here");
  const size_t first = returns ? 1 : 0;
  const size_t operands = first + (operation == kCas ? 3 : 2);
  d.expect_operands(operands, operands);
  if (returns) d.out.r[0] = d.destination(0, t);
  take_address(d, first, 4);
  d.out.r[1] = d.source(first + 1, t);
  if (operation == kCas) d.out.r[2] = d.source(first + 2, t);
  d.out.width = t.bytes;
}

}  // namespace

void add_atomic_decoders(DecodeTable& table) {
  table["atom"] = [](Decode& d) { decode_atomic(d, true); };
  table["red"] = [](Decode& d) { decode_atomic(d, false); };
}

}  // namespace nampemu
