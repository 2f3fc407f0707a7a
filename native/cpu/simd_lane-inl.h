// The SIMD lane: a Highway vector with the functions of formulas/lane.h, loads and stores.
#if defined(NAMP_CPU_SIMD_LANE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_SIMD_LANE_INL_H
#undef NAMP_CPU_SIMD_LANE_INL_H
#else
#define NAMP_CPU_SIMD_LANE_INL_H
#endif

#include <cstring>
#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"

#include "formulas/codec.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The functions of the float lane; those below would hide them.
using ::namp::abs;
using ::namp::any;
using ::namp::bits;
using ::namp::from_bits;
using ::namp::larger;
using ::namp::larger_unsigned;
using ::namp::less;
using ::namp::multiply_add;
using ::namp::positive_part;
using ::namp::select;
using ::namp::shift_left;
using ::namp::shift_right;
using ::namp::smaller;
using ::namp::sqrt;
using ::namp::to_float;

using LaneTag = hn::ScalableTag<float>;
using BitsTag = hn::RebindToUnsigned<LaneTag>;
using SignedTag = hn::RebindToSigned<LaneTag>;
using HalfTag = hn::Rebind<uint16_t, LaneTag>;

// Elements of a lane, at most 16.
inline constexpr int64_t kLanes = HWY_LANES(float);

struct LaneMask {
  using Raw = decltype(hn::Eq(hn::Zero(LaneTag()), hn::Zero(LaneTag())));
  Raw raw;
};

struct LaneBits {
  using Raw = hn::Vec<BitsTag>;
  LaneBits() = default;
  HWY_INLINE explicit LaneBits(Raw r) : raw(r) {}
  HWY_INLINE LaneBits(uint32_t x) : raw(hn::Set(BitsTag(), x)) {}  // NOLINT: constants convert
  Raw raw;
};

struct Lane {
  using Raw = hn::Vec<LaneTag>;
  Lane() = default;
  HWY_INLINE explicit Lane(Raw r) : raw(r) {}
  HWY_INLINE Lane(float x) : raw(hn::Set(LaneTag(), x)) {}  // NOLINT: constants convert
  Raw raw;
};

HWY_INLINE Lane operator+(Lane a, Lane b) { return Lane(hn::Add(a.raw, b.raw)); }
HWY_INLINE Lane operator-(Lane a, Lane b) { return Lane(hn::Sub(a.raw, b.raw)); }
HWY_INLINE Lane operator*(Lane a, Lane b) { return Lane(hn::Mul(a.raw, b.raw)); }
HWY_INLINE Lane operator/(Lane a, Lane b) { return Lane(hn::Div(a.raw, b.raw)); }
HWY_INLINE Lane operator-(Lane a) { return Lane(hn::Neg(a.raw)); }

HWY_INLINE LaneMask operator<(Lane a, Lane b) { return {hn::Lt(a.raw, b.raw)}; }
HWY_INLINE LaneMask operator<=(Lane a, Lane b) { return {hn::Le(a.raw, b.raw)}; }
HWY_INLINE LaneMask operator>(Lane a, Lane b) { return {hn::Gt(a.raw, b.raw)}; }
HWY_INLINE LaneMask operator>=(Lane a, Lane b) { return {hn::Ge(a.raw, b.raw)}; }
HWY_INLINE LaneMask operator==(Lane a, Lane b) { return {hn::Eq(a.raw, b.raw)}; }

HWY_INLINE LaneMask operator&&(LaneMask a, LaneMask b) { return {hn::And(a.raw, b.raw)}; }
HWY_INLINE LaneMask operator||(LaneMask a, LaneMask b) { return {hn::Or(a.raw, b.raw)}; }
HWY_INLINE LaneMask operator!(LaneMask a) { return {hn::Not(a.raw)}; }

HWY_INLINE LaneBits operator+(LaneBits a, LaneBits b) { return LaneBits(hn::Add(a.raw, b.raw)); }
HWY_INLINE LaneBits operator-(LaneBits a, LaneBits b) { return LaneBits(hn::Sub(a.raw, b.raw)); }
HWY_INLINE LaneBits operator&(LaneBits a, LaneBits b) { return LaneBits(hn::And(a.raw, b.raw)); }
HWY_INLINE LaneBits operator|(LaneBits a, LaneBits b) { return LaneBits(hn::Or(a.raw, b.raw)); }
HWY_INLINE LaneBits operator^(LaneBits a, LaneBits b) { return LaneBits(hn::Xor(a.raw, b.raw)); }

HWY_INLINE LaneMask operator==(LaneBits a, LaneBits b) {
  return {hn::RebindMask(LaneTag(), hn::Eq(a.raw, b.raw))};
}

HWY_INLINE LaneBits bits(Lane x) { return LaneBits(hn::BitCast(BitsTag(), x.raw)); }
HWY_INLINE Lane from_bits(LaneBits u) { return Lane(hn::BitCast(LaneTag(), u.raw)); }
HWY_INLINE Lane to_float(LaneBits u) {
  return Lane(hn::ConvertTo(LaneTag(), hn::BitCast(SignedTag(), u.raw)));
}
HWY_INLINE Lane sqrt(Lane x) { return Lane(hn::Sqrt(x.raw)); }
HWY_INLINE Lane multiply_add(Lane a, Lane b, Lane c) {
#if HWY_TARGET == HWY_SCALAR
  // Highway's function rounds twice here.
  const float sum = multiply_add(hn::GetLane(a.raw), hn::GetLane(b.raw), hn::GetLane(c.raw));
  return Lane(sum);
#else
  return Lane(hn::MulAdd(a.raw, b.raw, c.raw));
#endif
}
// a b + c, rounded once only where the machine does that in one instruction: for results whose bits are
// not promised between targets.
HWY_INLINE Lane add_product(Lane a, Lane b, Lane c) {
  return Lane(hn::MulAdd(a.raw, b.raw, c.raw));
}
HWY_INLINE Lane abs(Lane x) { return Lane(hn::Abs(x.raw)); }

HWY_INLINE Lane select(LaneMask mask, Lane yes, Lane no) {
  return Lane(hn::IfThenElse(mask.raw, yes.raw, no.raw));
}
HWY_INLINE LaneBits select(LaneMask mask, LaneBits yes, LaneBits no) {
  return LaneBits(hn::IfThenElse(hn::RebindMask(BitsTag(), mask.raw), yes.raw, no.raw));
}

template <int kBits>
HWY_INLINE LaneBits shift_left(LaneBits u) {
  return LaneBits(hn::ShiftLeft<kBits>(u.raw));
}
template <int kBits>
HWY_INLINE LaneBits shift_right(LaneBits u) {
  return LaneBits(hn::ShiftRight<kBits>(u.raw));
}

HWY_INLINE LaneMask less(LaneBits a, LaneBits b) {
  const SignedTag s;
  return {hn::RebindMask(LaneTag(), hn::Lt(hn::BitCast(s, a.raw), hn::BitCast(s, b.raw)))};
}

HWY_INLINE Lane larger(Lane a, Lane b) { return Lane(hn::Max(a.raw, b.raw)); }
HWY_INLINE Lane positive_part(Lane x) {
  return Lane(hn::IfThenElseZero(hn::Gt(x.raw, hn::Zero(LaneTag())), x.raw));
}
HWY_INLINE Lane smaller(Lane a, Lane b) { return Lane(hn::Min(a.raw, b.raw)); }
HWY_INLINE LaneBits larger(LaneBits a, LaneBits b) {
  const SignedTag s;
  const auto maximum = hn::Max(hn::BitCast(s, a.raw), hn::BitCast(s, b.raw));
  return LaneBits(hn::BitCast(BitsTag(), maximum));
}
HWY_INLINE LaneBits smaller(LaneBits a, LaneBits b) {
  const SignedTag s;
  const auto minimum = hn::Min(hn::BitCast(s, a.raw), hn::BitCast(s, b.raw));
  return LaneBits(hn::BitCast(BitsTag(), minimum));
}
HWY_INLINE LaneBits larger_unsigned(LaneBits a, LaneBits b) {
  return LaneBits(hn::Max(a.raw, b.raw));
}

// The largest of all elements, also as signed numbers.
HWY_INLINE uint32_t largest_of(LaneBits u) {
  const SignedTag s;
  return static_cast<uint32_t>(hn::GetLane(hn::MaxOfLanes(s, hn::BitCast(s, u.raw))));
}

// As unsigned numbers.
HWY_INLINE uint32_t largest_unsigned_of(LaneBits u) {
  return hn::GetLane(hn::MaxOfLanes(BitsTag(), u.raw));
}

HWY_INLINE bool any(LaneMask mask) { return !hn::AllFalse(LaneTag(), mask.raw); }

// ---- Loads and stores: kLanes elements at p, which is only aligned to its element ----

// Words of 16 bits, in the low halves of a lane's.
HWY_INLINE LaneBits load_low_halves(const uint16_t* p) {
  return LaneBits(hn::PromoteTo(BitsTag(), hn::LoadU(HalfTag(), p)));
}
HWY_INLINE LaneBits load_signed(const int16_t* p) {
  const hn::Rebind<int16_t, LaneTag> tag;
  return LaneBits(hn::BitCast(BitsTag(), hn::PromoteTo(SignedTag(), hn::LoadU(tag, p))));
}
HWY_INLINE void store_low_halves(LaneBits u, uint16_t* p) {
  hn::StoreU(hn::TruncateTo(HalfTag(), u.raw), HalfTag(), p);
}

HWY_INLINE Lane load(const float* p) { return Lane(hn::LoadU(LaneTag(), p)); }

HWY_INLINE Lane load(const Float16* p) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::Rebind<hwy::float16_t, LaneTag> tag;
  return Lane(hn::PromoteTo(LaneTag(), hn::LoadU(tag, reinterpret_cast<const hwy::float16_t*>(p))));
#else
  return decode<Float16, Lane>(load_low_halves(&p->bits));
#endif
}

// Uses the formula, not the instruction: AVX512_BF16's conversion flushes subnormals.
HWY_INLINE Lane load(const BFloat16* p) {
  return decode<BFloat16, Lane>(load_low_halves(&p->bits));
}

HWY_INLINE void store(Lane x, float* p) { hn::StoreU(x.raw, LaneTag(), p); }

HWY_INLINE void store(Lane x, Float16* p) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::Rebind<hwy::float16_t, LaneTag> tag;
  hn::StoreU(hn::DemoteTo(tag, x.raw), tag, reinterpret_cast<hwy::float16_t*>(p));
#else
  store_low_halves(encode<Float16>(x), &p->bits);
#endif
}

HWY_INLINE void store(Lane x, BFloat16* p) { store_low_halves(encode<BFloat16>(x), &p->bits); }

// Stores past the cache, to p aligned to kLanes elements. For data that is written once and read
// much later it saves reading the line first. hwy::FlushStream() orders it before reads of other
// threads.
HWY_INLINE void stream(Lane x, float* p) { hn::Stream(x.raw, LaneTag(), p); }

HWY_INLINE void stream(Lane x, Float16* p) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::Rebind<hwy::float16_t, LaneTag> tag;
  const auto halves = hn::BitCast(HalfTag(), hn::DemoteTo(tag, x.raw));
  hn::Stream(halves, HalfTag(), &p->bits);
#else
  store(x, p);
#endif
}

HWY_INLINE void stream(Lane x, BFloat16* p) {
  hn::Stream(hn::TruncateTo(HalfTag(), encode<BFloat16>(x).raw), HalfTag(), &p->bits);
}

// Stochastically rounded (formulas/codec.h); float32 is not rounded at all.
HWY_INLINE void store_stochastic(Lane x, LaneBits, float* p) { store(x, p); }
HWY_INLINE void store_stochastic(Lane x, LaneBits random, Float16* p) {
  store_low_halves(encode_stochastic<Float16>(x, random), &p->bits);
}
HWY_INLINE void store_stochastic(Lane x, LaneBits random, BFloat16* p) {
  store_low_halves(encode_stochastic<BFloat16>(x, random), &p->bits);
}

// The 8-bit formats, by the formulas on every target.
template <class T>
inline constexpr bool kIsByte = sizeof(T) == 1;

using ByteTag = hn::Rebind<uint8_t, LaneTag>;

template <class T, std::enable_if_t<kIsByte<T>, int> = 0>
HWY_INLINE Lane load(const T* p) {
  return decode<T, Lane>(LaneBits(hn::PromoteTo(BitsTag(), hn::LoadU(ByteTag(), &p->bits))));
}
template <class T, std::enable_if_t<kIsByte<T>, int> = 0>
HWY_INLINE void store_code(LaneBits u, T* p) {
  hn::StoreU(hn::TruncateTo(ByteTag(), u.raw), ByteTag(), &p->bits);
}
template <class T, std::enable_if_t<kIsByte<T>, int> = 0>
HWY_INLINE void store(Lane x, T* p) {
  store_code(encode<T>(x), p);
}
// A vector of them is too short to go past the cache.
template <class T, std::enable_if_t<kIsByte<T>, int> = 0>
HWY_INLINE void stream(Lane x, T* p) {
  store(x, p);
}
template <class T, std::enable_if_t<kIsByte<T>, int> = 0>
HWY_INLINE void store_stochastic(Lane x, LaneBits random, T* p) {
  store_code(encode_stochastic<T>(x, random), p);
}

HWY_INLINE LaneBits load_bits(const uint32_t* p) { return LaneBits(hn::LoadU(BitsTag(), p)); }

// The same for only the first count elements, 1 to kLanes - 1. Elements after them are neither read
// nor written; a loaded lane is 0 there.
template <class T>
HWY_INLINE Lane load_part(const T* p, int64_t count) {
  T buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<size_t>(count) * sizeof(T));
  return load(buffer);
}
template <class T>
HWY_INLINE void store_part(Lane x, T* p, int64_t count) {
  T buffer[kLanes];
  store(x, buffer);
  std::memcpy(p, buffer, static_cast<size_t>(count) * sizeof(T));
}
#if HWY_TARGET == HWY_AVX3
// By masks, which AVX-512 has for elements of 16 bits too: rows of small images are such parts.
HWY_INLINE Lane load_part(const float* p, int64_t count) {
  const auto mask = hn::FirstN(LaneTag(), static_cast<size_t>(count));
  return Lane(hn::MaskedLoad(mask, LaneTag(), p));
}
HWY_INLINE hn::Vec<HalfTag> load_part_halves(const uint16_t* p, int64_t count) {
  return hn::MaskedLoad(hn::FirstN(HalfTag(), static_cast<size_t>(count)), HalfTag(), p);
}
HWY_INLINE Lane load_part(const Float16* p, int64_t count) {
  const hn::Rebind<hwy::float16_t, LaneTag> tag;
  return Lane(hn::PromoteTo(LaneTag(), hn::BitCast(tag, load_part_halves(&p->bits, count))));
}
HWY_INLINE Lane load_part(const BFloat16* p, int64_t count) {
  return decode<BFloat16, Lane>(
      LaneBits(hn::PromoteTo(BitsTag(), load_part_halves(&p->bits, count))));
}
HWY_INLINE void store_part(Lane x, float* p, int64_t count) {
  hn::BlendedStore(x.raw, hn::FirstN(LaneTag(), static_cast<size_t>(count)), LaneTag(), p);
}
HWY_INLINE void store_part_halves(hn::Vec<HalfTag> halves, uint16_t* p, int64_t count) {
  hn::BlendedStore(halves, hn::FirstN(HalfTag(), static_cast<size_t>(count)), HalfTag(), p);
}
HWY_INLINE void store_part(Lane x, Float16* p, int64_t count) {
  const hn::Rebind<hwy::float16_t, LaneTag> tag;
  store_part_halves(hn::BitCast(HalfTag(), hn::DemoteTo(tag, x.raw)), &p->bits, count);
}
HWY_INLINE void store_part(Lane x, BFloat16* p, int64_t count) {
  store_part_halves(hn::TruncateTo(HalfTag(), encode<BFloat16>(x).raw), &p->bits, count);
}
#endif
template <class T>
HWY_INLINE void store_stochastic_part(Lane x, LaneBits random, T* p, int64_t count) {
  T buffer[kLanes];
  store_stochastic(x, random, buffer);
  std::memcpy(p, buffer, static_cast<size_t>(count) * sizeof(T));
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
