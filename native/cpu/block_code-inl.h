// Runs of 8-bit codes in blocks (formulas/block_code.h) to float32 and back. A run is at most
// NAMP_BLOCK_ELEMENTS long and begins where a block does.
#if defined(NAMP_CPU_BLOCK_CODE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_BLOCK_CODE_INL_H
#undef NAMP_CPU_BLOCK_CODE_INL_H
#else
#define NAMP_CPU_BLOCK_CODE_INL_H
#endif

#include <cstring>

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

template <class Map>
void decode_block(const uint8_t* codes, float scale, float* out, int64_t count) {
  for_lanes(count, [=](int64_t i, auto part) NAMP_LANES {
    store(block_number<Map, Lane>(load_codes(codes + i, part)) * Lane(scale), out + i, part);
  });
}

// Returns the block's scale.
template <class Map>
float encode_block(const float* in, uint8_t* codes, int64_t count) {
  LaneBits magnitudes(0u);
  LaneBits largest(0x80000000u);
  for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
    const LaneBits x = bits(load(in + i, part));
    magnitudes = larger(magnitudes, x & LaneBits(0x7fffffffu));
    largest = larger(largest, x);
  });
  const float scale =
      block_scale(largest_of(magnitudes), largest_of(largest), Map::kSigned, Map::kDynamic);
  const float inverse = inverse_block_scale(scale);
  if (inverse == 0.0f) {
    std::memset(codes, Map::kSigned ? 127 : 0, static_cast<size_t>(count));
    return scale;
  }
  for_lanes(count, [=](int64_t i, auto part) NAMP_LANES {
    store_codes(block_code<Map>(load(in + i, part) * Lane(inverse)), codes + i, part);
  });
  return scale;
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
    for (int64_t i = 0; i < count; i += NAMP_BLOCK_ELEMENTS) {
      scales[(begin + i) / NAMP_BLOCK_ELEMENTS] =
          encode_block<decltype(map)>(in + i, static_cast<uint8_t*>(data) + begin + i,
                                      std::min<int64_t>(NAMP_BLOCK_ELEMENTS, count - i));
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
