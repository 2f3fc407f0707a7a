// Weights of a matrix in codes of 4 or 8 bits (namp_code_gemm), decoded in steps along k, and the
// sums of their products: sixteen for an element, in the same order on every target.
#if defined(NAMP_CPU_CODED_COLUMNS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_CODED_COLUMNS_INL_H
#undef NAMP_CPU_CODED_COLUMNS_INL_H
#else
#define NAMP_CPU_CODED_COLUMNS_INL_H
#endif

#include <cstring>

#include "cpu/reduce-inl.h"

#ifndef NAMP_CPU_CODED_COLUMNS_SHAPES
#define NAMP_CPU_CODED_COLUMNS_SHAPES
namespace namp {

// A step along k: codes that are decoded together, in two halves.
inline constexpr int64_t kCodeStep = 32;
inline constexpr int64_t kCodeHalf = 16;

}  // namespace namp
#endif

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

inline constexpr int64_t kHalfLanes = kCodeHalf / kLanes;

// Half a step.
struct Half {
  Lane part[kHalfLanes];
};

// Two codes of 4 bits a byte: the first half of a step are the low ones. A weight is the code's
// level times the scale of its group.
struct Int4Codes {
  static constexpr int64_t kBytes = kCodeStep / 2;
  static constexpr bool kScaledSum = false;

  // The weights of the sixteen codes, or the scale.
  using Weights = Lane;

  static HWY_INLINE Weights weights(float scale) {
#if HWY_TARGET == HWY_AVX3
    alignas(64) static constexpr float kLevels[16] = {-8, -7, -6, -5, -4, -3, -2, -1,
                                                      0,  1,  2,  3,  4,  5,  6,  7};
    return load(kLevels) * scale;
#else
    return scale;
#endif
  }

  static HWY_INLINE void decode(const uint8_t* p, const Weights& weights, Half& first,
                                Half& second) {
#pragma GCC unroll 16
    for (int64_t i = 0; i < kHalfLanes; ++i) {
      const auto pairs = hn::PromoteTo(BitsTag(), hn::LoadU(ByteTag(), p + i * kLanes));
      first.part[i] = weight(LaneBits(pairs), weights);
      second.part[i] = weight(LaneBits(hn::ShiftRight<4>(pairs)), weights);
    }
  }

 private:
  static HWY_INLINE Lane weight(LaneBits code, const Weights& weights) {
#if HWY_TARGET == HWY_AVX3
    // A lookup reads only the low 4 bits of an index.
    return Lane(hn::TableLookupLanes(weights.raw, hn::IndicesFromVec(LaneTag(), code.raw)));
#else
    return (to_float(code & 15u) - Lane(8.0f)) * weights;
#endif
  }
};

// Signed bytes in their order. A row has one scale, which multiplies the sums.
struct Int8Codes {
  static constexpr int64_t kBytes = kCodeStep;
  static constexpr bool kScaledSum = true;
  using Tag = hn::Rebind<int8_t, LaneTag>;
  struct Weights {};

  static HWY_INLINE Weights weights(float) { return {}; }

  static HWY_INLINE void decode(const uint8_t* p, const Weights&, Half& first, Half& second) {
#pragma GCC unroll 16
    for (int64_t i = 0; i < kHalfLanes; ++i) {
      first.part[i] = level(p + i * kLanes);
      second.part[i] = level(p + kCodeHalf + i * kLanes);
    }
  }

 private:
  static HWY_INLINE Lane level(const uint8_t* p) {
    const auto codes = hn::LoadU(Tag(), reinterpret_cast<const int8_t*>(p));
    return Lane(hn::ConvertTo(LaneTag(), hn::PromoteTo(SignedTag(), codes)));
  }
};

HWY_INLINE void clear(Half& half) {
#pragma GCC unroll 16
  for (int64_t i = 0; i < kHalfLanes; ++i)
    half.part[i] = Lane(0.0f);
}

HWY_INLINE Half load_half(const float* from) {
  Half half;
#pragma GCC unroll 16
  for (int64_t i = 0; i < kHalfLanes; ++i)
    half.part[i] = load(from + i * kLanes);
  return half;
}

HWY_INLINE void store_half(const Half& half, float* to) {
#pragma GCC unroll 16
  for (int64_t i = 0; i < kHalfLanes; ++i)
    store(half.part[i], to + i * kLanes);
}

HWY_INLINE void add_product(Half& sum, const Half& a, const Half& weights) {
#pragma GCC unroll 16
  for (int64_t i = 0; i < kHalfLanes; ++i)
    sum.part[i] = multiply_add(a.part[i], weights.part[i], sum.part[i]);
}

// i with i + 8, then as within a lane.
HWY_INLINE float sum_of(Half half) {
#pragma GCC unroll 16
  for (int64_t width = kHalfLanes / 2; width > 0; width /= 2) {
#pragma GCC unroll 16
    for (int64_t i = 0; i < width; ++i)
      half.part[i] = half.part[i] + half.part[i + width];
  }
  return reduce_lane(half.part[0], Plus());
}

// Of sixteen halves, as sum_of has them.
#if HWY_TARGET == HWY_AVX3
HWY_INLINE void sums_of(const float* halves, float* sums) {
  const auto add = [](__m512 a, __m512 b) HWY_ATTR { return _mm512_add_ps(a, b); };
  __m512 eights[8];  // of two halves each, in blocks of 128 bits: first, first, second, second
#pragma GCC unroll 16
  for (int i = 0; i < 8; ++i) {
    const __m512 first = _mm512_loadu_ps(halves + 2 * i * kCodeHalf);
    const __m512 second = _mm512_loadu_ps(halves + (2 * i + 1) * kCodeHalf);
    eights[i] =
        add(_mm512_shuffle_f32x4(first, second, 0x44), _mm512_shuffle_f32x4(first, second, 0xee));
  }
  __m512 fours[4];  // a block is of a half
#pragma GCC unroll 8
  for (int i = 0; i < 4; ++i)
    fours[i] = add(_mm512_shuffle_f32x4(eights[2 * i], eights[2 * i + 1], 0x88),
                   _mm512_shuffle_f32x4(eights[2 * i], eights[2 * i + 1], 0xdd));
  __m512 twos[2];
#pragma GCC unroll 8
  for (int i = 0; i < 2; ++i)
    twos[i] = add(_mm512_shuffle_ps(fours[2 * i], fours[2 * i + 1], 0x44),
                  _mm512_shuffle_ps(fours[2 * i], fours[2 * i + 1], 0xee));
  const __m512 ones =
      add(_mm512_shuffle_ps(twos[0], twos[1], 0x88), _mm512_shuffle_ps(twos[0], twos[1], 0xdd));
  // Block b has the sums of b, 4 + b, 8 + b and 12 + b.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_ps(sums, _mm512_permutexvar_ps(order, ones));
}
#else
HWY_INLINE void sums_of(const float* halves, float* sums) {
  for (int64_t i = 0; i < kCodeHalf; ++i)
    sums[i] = sum_of(load_half(halves + i * kCodeHalf));
}
#endif

// Where the codes and scales of columns lie, from one of them on.
template <class Codes>
struct CodedColumns {
  const uint8_t* codes;
  const float* scales;
  int64_t row;     // bytes of codes of a column
  int64_t groups;  // scales of a column
  int64_t group_steps;
  int64_t steps;  // whole ones, or with codes after the row's end
  int64_t tail;   // codes behind the last whole step of a row with one scale

  HWY_INLINE CodedColumns(const namp_code_gemm_args& args, int64_t column) {
    const bool whole = args.group == 0;
    groups = whole ? 1 : (args.k + args.group - 1) / args.group;
    group_steps = (whole ? args.k : args.group) / kCodeStep;
    tail = whole ? args.k % kCodeStep : 0;
    steps = whole ? group_steps : (args.k + kCodeStep - 1) / kCodeStep;
    row = whole ? args.k : groups * args.group / 2;
    codes = row == 0 ? nullptr : args.codes + column * row;
    scales = groups == 0 ? nullptr : args.scales + column * groups;
  }

  HWY_INLINE float sum_scale(int64_t column) const {
    return Codes::kScaledSum ? scales[column * groups] : 1.0f;
  }

  // The last step of a column, with zeros for the codes that are not there.
  HWY_INLINE void decode_tail(int64_t column, Half& first, Half& second) const {
    uint8_t buffer[Codes::kBytes] = {};
    std::memcpy(buffer, codes + column * row + group_steps * Codes::kBytes,
                static_cast<size_t>(tail));
    Codes::decode(buffer, Codes::weights(1.0f), first, second);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
