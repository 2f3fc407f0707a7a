// Runs of 8-bit codes in blocks (formulas/block_code.h) to float32 and back. A run is at most
// NAMP_BLOCK_ELEMENTS long and begins where a block does.
#if defined(NAMP_CPU_BLOCK_CODE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_BLOCK_CODE_INL_H
#undef NAMP_CPU_BLOCK_CODE_INL_H
#else
#define NAMP_CPU_BLOCK_CODE_INL_H
#endif

#include <cstring>
#include <limits>

#include "cpu/code_bytes-inl.h"
#include "cpu/loop-inl.h"
#include "formulas/block_code.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

HWY_INLINE LaneBits load_codes(const uint8_t* codes, Whole) {
  return LaneBits(hn::PromoteTo(BitsTag(), hn::LoadU(ByteTag(), codes)));
}
HWY_INLINE LaneBits load_codes(const uint8_t* codes, Part part) {
  uint8_t buffer[kLanes] = {};
  std::memcpy(buffer, codes, static_cast<size_t>(part.count));
  return load_codes(buffer, Whole{});
}

#if HWY_TARGET == HWY_AVX3
// The constants of decades in tables for lookups: by the lowest 4 bits of the exponent of 2 t + 1, by
// the decade's number plus 1, and by the lowest 5 bits of the exponent of a value from 2^-31 to 1.
template <class Map>
struct DecadeTables {
  using Of = DynamicDecades<Map>;
  alignas(64) float width[16] = {};
  alignas(64) float low[16] = {};
  alignas(64) float slope[16] = {};
  alignas(64) float offset[16] = {};
  alignas(64) float begin[32] = {};     // the decade that begins in the octave, else infinity
  alignas(64) uint32_t begun[32] = {};  // decades before the octave

  constexpr DecadeTables() {
    for (int decade = 0; decade <= Of::kDecades; ++decade) {
      width[(128 + Of::kFirst + decade) % 16] = Of::width(decade);
      low[(128 + Of::kFirst + decade) % 16] = Of::low(decade);
      slope[decade + 1] = Of::slope(decade);
      offset[decade + 1] = Of::offset(decade);
    }
    double octave = 1.0;
    for (int i = 31; i >= 0; --i, octave /= 2) {
      begin[i] = std::numeric_limits<float>::infinity();
      for (int decade = 0; decade <= Of::kDecades; ++decade) {
        const double first = Of::begin(decade);
        if (first <= octave) {
          ++begun[i];
        } else if (first < 2 * octave) {
          if (begin[i] < 1) throw "two decades begin in an octave";
          begin[i] = Of::begin(decade);
        }
      }
    }
  }
};
template <class Map>
inline constexpr DecadeTables<Map> kDecadeTables{};

HWY_INLINE Lane look_up(const float* table, LaneBits index) {
  return Lane(
      hn::TableLookupLanes(hn::Load(LaneTag(), table), hn::IndicesFromVec(LaneTag(), index.raw)));
}

// These take the place of the formulas' recursions, with the same numbers.
template <class Map>
HWY_INLINE void decade_of_place(Lane h, Lane& width, Lane& low) {
  const LaneBits exponent = shift_right<23>(bits(h));
  width = look_up(kDecadeTables<Map>.width, exponent);
  low = look_up(kDecadeTables<Map>.low, exponent);
}
template <class Map>
HWY_INLINE void line_of_value(Lane a, Lane& slope, Lane& offset) {
  const auto& tables = kDecadeTables<Map>;
  LaneBits all = bits(a);
  // An unsigned map's values are not as small as the tables' first.
  if constexpr (Map::kSigned) all = larger(all, bits(Lane(0x1p-31f)));
  const LaneBits exponent = shift_right<23>(all);
  const __m512i octave = exponent.raw.raw;  // its lowest 5 bits are read
  const Lane begin(Lane::Raw{_mm512_permutex2var_ps(_mm512_load_ps(tables.begin), octave,
                                                    _mm512_load_ps(tables.begin + kLanes))});
  const LaneBits begun(LaneBits::Raw{_mm512_permutex2var_epi32(
      _mm512_load_si512(tables.begun), octave, _mm512_load_si512(tables.begun + kLanes))});
  const LaneBits line = select(a >= begin, begun + 1u, begun);
  slope = look_up(tables.slope, line);
  offset = look_up(tables.offset, line);
}
#endif

template <class Map, class Part>
HWY_INLINE Lane decode_lane(const uint8_t* codes, float scale, Part part) {
  return block_number<Map, Lane>(load_codes(codes, part)) * Lane(scale);
}

template <class Map>
void decode_block(const uint8_t* codes, float scale, float* out, int64_t count) {
  for_lanes(count, [=](int64_t i, auto part) NAMP_LANES {
    store(decode_lane<Map>(codes + i, scale, part), out + i, part);
  });
}

template <class Map>
float scale_of_block(const float* in, int64_t count) {
  LaneBits any(0u);
  LaneBits largest(0x80000000u);
  for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
    const LaneBits x = bits(load(in + i, part));
    any = larger_unsigned(any, x);
    largest = larger(largest, x);
  });
  return block_scale(largest_unsigned_of(any), largest_of(largest), Map::kSigned, Map::kDynamic);
}

template <class Map>
void encode_block(const float* in, float scale, uint8_t* codes, int64_t count) {
  const float inverse = inverse_block_scale(scale);
  if (inverse == 0.0f) {
    std::memset(codes, Map::kSigned ? 127 : 0, static_cast<size_t>(count));
    return;
  }
  for_lanes(count, [=](int64_t i, auto part) NAMP_LANES {
    store_codes(block_code<Map>(load(in + i, part) * Lane(inverse)), codes + i, part);
  });
}

// Calls body(Map{}) for a dtype that is_block_code.
template <class Body>
HWY_INLINE void with_block_map(int32_t dtype, Body&& body) {
  switch (dtype) {
#define NAMP_CASE(DTYPE, Map, ...) \
  case DTYPE:                      \
    return body(Map{});
    NAMP_FOR_EACH_BLOCK_CODE(NAMP_CASE)
#undef NAMP_CASE
  }
  __builtin_trap();
}

// Count elements from begin on, where a block begins; data and scales are the whole tensor's.
inline void decode_blocks(int32_t dtype, const void* data, const float* scales, int64_t begin,
                          int64_t count, float* out) {
  with_block_map(dtype, [&](auto map) HWY_ATTR {
    for (int64_t i = 0; i < count; i += NAMP_BLOCK_ELEMENTS) {
      decode_block<decltype(map)>(static_cast<const uint8_t*>(data) + begin + i,
                                  scales[(begin + i) / NAMP_BLOCK_ELEMENTS], out + i,
                                  std::min<int64_t>(NAMP_BLOCK_ELEMENTS, count - i));
    }
  });
}
inline void encode_blocks(int32_t dtype, const float* in, int64_t begin, int64_t count, void* data,
                          float* scales) {
  with_block_map(dtype, [&](auto map) HWY_ATTR {
    using Map = decltype(map);
    for (int64_t i = 0; i < count; i += NAMP_BLOCK_ELEMENTS) {
      const int64_t length = std::min<int64_t>(NAMP_BLOCK_ELEMENTS, count - i);
      float& scale = scales[(begin + i) / NAMP_BLOCK_ELEMENTS];
      scale = scale_of_block<Map>(in + i, length);
      encode_block<Map>(in + i, scale, static_cast<uint8_t*>(data) + begin + i, length);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
