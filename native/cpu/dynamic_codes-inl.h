// The dynamic maps' codes (formulas/block_code.h) 64 at a time, for AVX-512: what the formulas compute by
// comparing with each decade's end is looked up, with the same numbers and codes. Comparisons are left out
// where they can be, because their masks come from one unit: one in a cycle.
#if defined(NAMP_CPU_DYNAMIC_CODES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_DYNAMIC_CODES_INL_H
#undef NAMP_CPU_DYNAMIC_CODES_INL_H
#else
#define NAMP_CPU_DYNAMIC_CODES_INL_H
#endif

#include <bit>

#include "cpu/simd_lane-inl.h"
#include "formulas/block_code.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {
#if HWY_TARGET == HWY_AVX3

inline constexpr int64_t kCodePiece = 64;

// ---- Numbers of codes ----

// The bits of the signed map's numbers of the places 1 to 128.
struct NumberHalves {
  alignas(64) uint16_t low[128] = {};
  alignas(64) uint16_t upper[128] = {};

  constexpr NumberHalves() {
    using Of = DynamicDecades<SignedDynamic>;
    for (int decade = 0; decade <= Of::kDecades; ++decade) {
      const int parts = 1 << decade;
      for (int place = parts; place < 2 * parts && place <= 128; ++place) {
        // Exact in float64, and then rounded once.
        const double middle = (2 * place + 1) / (2.0 * parts) - 1.0;
        const double number = middle * Of::width(decade) + Of::low(decade);
        const auto all = std::bit_cast<uint32_t>(static_cast<float>(number));
        low[place - 1] = static_cast<uint16_t>(all);
        upper[place - 1] = static_cast<uint16_t>(all >> 16);
      }
    }
  }
};
inline constexpr NumberHalves kNumberHalves{};

// The halves of numbers: those of the first 64 places, or of the last where upper says so, and 0 where
// not_zero does not.
HWY_INLINE __m512i half_of_number(const uint16_t* table, __m512i index, __mmask32 not_zero,
                                  __mmask32 upper) {
  const __m512i first = _mm512_maskz_permutex2var_epi16(not_zero, _mm512_load_si512(table), index,
                                                        _mm512_load_si512(table + 32));
  return _mm512_mask_mov_epi16(first, upper,
                               _mm512_permutex2var_epi16(_mm512_load_si512(table + 64), index,
                                                         _mm512_load_si512(table + 96)));
}

// The numbers of 64 codes, times scale.
HWY_INLINE void decode_piece(SignedDynamic, const uint8_t* codes, Lane scale, float* out) {
  // In this order the words' lower and upper parts within 128 bits become vectors of consecutive numbers.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (int64_t i = 0; i < kCodePiece; i += 2 * kLanes) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    const __m512i place = _mm512_sub_epi16(
        _mm512_cvtepu8_epi16(_mm256_permutevar8x32_epi32(bytes, order)), _mm512_set1_epi16(127));
    const __m512i index = _mm512_sub_epi16(_mm512_abs_epi16(place), _mm512_set1_epi16(1));
    const __mmask32 not_zero = _mm512_test_epi16_mask(place, place);
    const __mmask32 last = _mm512_mask_test_epi16_mask(not_zero, index, _mm512_set1_epi16(64));
    const __m512i low = half_of_number(kNumberHalves.low, index, not_zero, last);
    const __m512i positive = half_of_number(kNumberHalves.upper, index, not_zero, last);
    // positive | (place & sign)
    const __m512i upper =
        _mm512_ternarylogic_epi32(positive, place, _mm512_set1_epi16(INT16_MIN), 0xf8);
    const Lane first(Lane::Raw{_mm512_castsi512_ps(_mm512_unpacklo_epi16(low, upper))});
    const Lane second(Lane::Raw{_mm512_castsi512_ps(_mm512_unpackhi_epi16(low, upper))});
    store(first * scale, out + i);
    store(second * scale, out + i + kLanes);
  }
}

HWY_INLINE Lane look_up(const float* table, LaneBits index) {
  return Lane(
      hn::TableLookupLanes(hn::Load(LaneTag(), table), hn::IndicesFromVec(LaneTag(), index.raw)));
}

// By the lowest 4 bits of the exponent of 2 t + 1.
template <class Map>
struct DecadesOfPlaces {
  alignas(64) float width[16] = {};
  alignas(64) float low[16] = {};

  constexpr DecadesOfPlaces() {
    using Of = DynamicDecades<Map>;
    for (int decade = 0; decade <= Of::kDecades; ++decade) {
      width[(128 + Of::kFirst + decade) % 16] = Of::width(decade);
      low[(128 + Of::kFirst + decade) % 16] = Of::low(decade);
    }
  }
};
template <class Map>
inline constexpr DecadesOfPlaces<Map> kDecadesOfPlaces{};

// Takes the place of the formula's recursion.
template <class Map>
HWY_INLINE void decade_of_place(Lane h, Lane& width, Lane& low) {
  const LaneBits exponent = shift_right<23>(bits(h));
  width = look_up(kDecadesOfPlaces<Map>.width, exponent);
  low = look_up(kDecadesOfPlaces<Map>.low, exponent);
}

// ---- Codes of values ----

// The lines of decades, from the one before the first on; and, by the lowest 5 bits of the exponent of a
// value from 2^-31 to 1, what its bits are added to, for the number of its line in bits 27 to 30. The
// octave's own bits are taken off, and where a decade begins within the octave, the sum carries from there
// on. Two never do.
template <class Map>
struct DecadeLines {
  using Of = DynamicDecades<Map>;
  alignas(64) uint32_t of_octave[32] = {};
  alignas(64) float slope[16] = {};
  alignas(64) float offset[32] = {};  // and their negatives

  constexpr DecadeLines() {
    for (int decade = 0; decade <= Of::kDecades; ++decade) {
      slope[decade + 1] = Of::slope(decade);
      offset[decade + 1] = Of::offset(decade);
      offset[decade + 17] = -Of::offset(decade);
    }
    float octave = 1.0f;
    for (int i = 31; i >= 0; --i, octave /= 2) {
      uint32_t& bits = of_octave[i];
      bits = 0u - std::bit_cast<uint32_t>(octave);
      for (int decade = 0; decade <= Of::kDecades; ++decade) {
        const float first = Of::begin(decade);
        if (first <= octave) {
          bits += 1u << 27;
        } else if (first < 2 * octave) {
          bits += (1u << 27) - (std::bit_cast<uint32_t>(first) - std::bit_cast<uint32_t>(octave));
        }
      }
    }
  }
};
template <class Map>
inline constexpr DecadeLines<Map> kDecadeLines{};

// The number of the line of a, as an index of 4 bits; the sign, if there is one, is the fifth.
template <class Map>
HWY_INLINE __m512i line_of_value(__m512i a) {
  const uint32_t* const table = kDecadeLines<Map>.of_octave;
  const __m512i of_octave = _mm512_permutex2var_epi32(
      _mm512_load_si512(table), _mm512_srli_epi32(a, 23), _mm512_load_si512(table + kLanes));
  return _mm512_srli_epi32(_mm512_add_epi32(a, of_octave), 27);
}
template <class Map>
HWY_INLINE __m512 slope_of(__m512i line) {
  return _mm512_permutexvar_ps(line, _mm512_load_ps(kDecadeLines<Map>.slope));
}
// The last place of a decade, by its offset, which may have the other sign.
HWY_INLINE __m512 last_place(__m512 offset) {
  return _mm512_fmadd_ps(offset, _mm512_set1_ps(2.25f), _mm512_set1_ps(0.125f));
}

// The codes of x in the low halves of words, as signed numbers: -1 is to be 0.
HWY_INLINE __m512i codes_of(SignedDynamic, __m512 x) {
  using Map = SignedDynamic;
  constexpr int kSmallerWithSign = 2, kLargerWithSign = 3;  // by magnitude; the sign is the first's
  const __m512 a = _mm512_range_ps(x, _mm512_set1_ps(0x1p-31f), kLargerWithSign);
  const __m512i line = line_of_value<Map>(_mm512_castps_si512(a));
  const float* const offsets = kDecadeLines<Map>.offset;
  const __m512 offset =
      _mm512_permutex2var_ps(_mm512_load_ps(offsets), line, _mm512_load_ps(offsets + kLanes));
  const __m512 place = _mm512_range_ps(_mm512_fmadd_ps(a, slope_of<Map>(line), offset),
                                       last_place(offset), kSmallerWithSign);
  return _mm512_castps_si512(_mm512_add_ps(place, _mm512_set1_ps(12582912.0f + 127.0f)));
}
HWY_INLINE __m512i codes_of(UnsignedDynamic, __m512 x) {
  using Map = UnsignedDynamic;
  // 0 and what is below it get the place 1, whose code is 0.
  constexpr int kOneForZeroAndBelow = 0x0a0a0a00;
  constexpr float kFirstNumber = DynamicDecades<Map>::first_number();
  const __m512i a =
      _mm512_max_epi32(_mm512_castps_si512(x), _mm512_castps_si512(_mm512_set1_ps(kFirstNumber)));
  const __m512i line = line_of_value<Map>(a);
  const __m512 offset = _mm512_permutexvar_ps(line, _mm512_load_ps(kDecadeLines<Map>.offset));
  const __m512 on_line = _mm512_fmadd_ps(_mm512_castsi512_ps(a), slope_of<Map>(line), offset);
  const __m512i place =
      _mm512_min_epi32(_mm512_castps_si512(on_line), _mm512_castps_si512(last_place(offset)));
  const __m512 place_or_one =
      _mm512_fixupimm_ps(_mm512_castsi512_ps(place), x, _mm512_set1_epi32(kOneForZeroAndBelow), 0);
  return _mm512_castps_si512(_mm512_add_ps(place_or_one, _mm512_set1_ps(12582912.0f - 1.0f)));
}

// The codes of 64 finite values, times the inverse of their scale.
template <class Map>
HWY_INLINE void encode_piece(const float* in, Lane inverse, uint8_t* codes) {
  alignas(64) static constexpr uint16_t kLowHalves[32] = {
      0,  2,  4,  6,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30,
      32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 62};
  __m512i part[4];
#pragma GCC unroll 4
  for (int64_t i = 0; i < 4; ++i)
    part[i] = codes_of(Map(), (load(in + i * kLanes) * inverse).raw.raw);
  const __m512i low_halves = _mm512_load_si512(kLowHalves);
  // Saturated, and eight by eight of both within 128 bits.
  const __m512i bytes =
      _mm512_packus_epi16(_mm512_permutex2var_epi16(part[0], low_halves, part[1]),
                          _mm512_permutex2var_epi16(part[2], low_halves, part[3]));
  const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  _mm512_storeu_si512(codes, _mm512_permutexvar_epi64(order, bytes));
}

#endif
}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
