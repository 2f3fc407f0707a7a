// 8-bit codes in blocks (formulas/block_code.h) to float32 and back.
#if defined(NAMP_CPU_BLOCK_CODE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_BLOCK_CODE_INL_H
#undef NAMP_CPU_BLOCK_CODE_INL_H
#else
#define NAMP_CPU_BLOCK_CODE_INL_H
#endif

#include <cstring>

#include "cpu/code_bytes-inl.h"
#include "cpu/dynamic_codes-inl.h"
#include "cpu/loop-inl.h"
#include "formulas/block_code.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Elements that are coded together: few enough for the first-level cache.
inline constexpr int64_t kCodedRun = 4 * NAMP_BLOCK_ELEMENTS;

HWY_INLINE LaneBits load_codes(const uint8_t* codes, Whole) {
  return LaneBits(hn::PromoteTo(BitsTag(), hn::LoadU(ByteTag(), codes)));
}
HWY_INLINE LaneBits load_codes(const uint8_t* codes, Part part) {
  uint8_t buffer[kLanes] = {};
  std::memcpy(buffer, codes, static_cast<size_t>(part.count));
  return load_codes(buffer, Whole{});
}

#if HWY_TARGET == HWY_AVX3
// Calls body with pieces of in and of out, and with copies for a part of one at the end.
template <class In, class Out, class Body>
HWY_INLINE void for_pieces(const In* in, Out* out, int64_t count, Body&& body) {
  for (; count >= kCodePiece; in += kCodePiece, out += kCodePiece, count -= kCodePiece)
    body(in, out);
  if (count == 0) return;
  In some[kCodePiece] = {};
  Out result[kCodePiece];
  std::memcpy(some, in, static_cast<size_t>(count) * sizeof(In));
  body(some, result);
  std::memcpy(out, result, static_cast<size_t>(count) * sizeof(Out));
}
#endif

template <class Map>
HWY_NOINLINE void decode_block(const uint8_t* codes, float scale, float* out, int64_t count) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (std::is_same_v<Map, SignedDynamic>) {
    return for_pieces(codes, out, count, [=](const uint8_t* from, float* to) NAMP_LANES {
      decode_piece(Map(), from, Lane(scale), to);
    });
  }
#endif
  for_lanes(count, [=](int64_t i, auto part) NAMP_LANES {
    store(block_number<Map, Lane>(load_codes(codes + i, part)) * Lane(scale), out + i, part);
  });
}

// The largest of all elements' bits by largest_of_two, broadcast; begin is less than all.
template <class LargestOfTwo, class LargestOfLanes>
HWY_INLINE LaneBits largest_bits(const float* in, int64_t count, uint32_t begin,
                                 LargestOfTwo largest_of_two, LargestOfLanes largest_of_lanes) {
  // Two, as one waits for the one before it. Not of single elements: GCC 12 makes vectors of them that miss
  // some.
  LaneBits first(begin), second(begin);
  int64_t i = 0;
  for (; HWY_TARGET != HWY_SCALAR && i + 2 * kLanes <= count; i += 2 * kLanes) {
    first = largest_of_two(first, bits(load(in + i)));
    second = largest_of_two(second, bits(load(in + i + kLanes)));
  }
  for_lanes(count - i, [&](int64_t j, auto part) NAMP_LANES {
    // A part's other elements are 0, which changes no scale.
    first = largest_of_two(first, bits(load(in + i + j, part)));
  });
  return largest_of_lanes(largest_of_two(first, second));
}

template <class Map>
HWY_INLINE float scale_of_block(const float* in, int64_t count) {
  const LaneBits any = largest_bits(
      in, count, 0u, [](LaneBits a, LaneBits b) NAMP_LANES { return larger_unsigned(a, b); },
      [](LaneBits a) NAMP_LANES { return LaneBits(hn::MaxOfLanes(BitsTag(), a.raw)); });
  LaneBits largest = any;
  // Second moments are seldom below 0.
  if (Map::kSigned || HWY_UNLIKELY((hn::GetLane(any.raw) & 0x80000000u) != 0)) {
    largest = largest_bits(
        in, count, 0x80000000u, [](LaneBits a, LaneBits b) NAMP_LANES { return larger(a, b); },
        [](LaneBits a) NAMP_LANES {
          const auto most = hn::MaxOfLanes(SignedTag(), hn::BitCast(SignedTag(), a.raw));
          return LaneBits(hn::BitCast(BitsTag(), most));
        });
  }
  return hn::GetLane(block_scale(any, largest, Map::kSigned, Map::kDynamic).raw);
}

// By the inverse of the scale (inverse_block_scale).
template <class Map>
HWY_INLINE void encode_block(const float* in, float inverse, uint8_t* codes, int64_t count) {
  if (inverse == 0.0f) {
    std::memset(codes, Map::kSigned ? 127 : 0, static_cast<size_t>(count));
    return;
  }
#if HWY_TARGET == HWY_AVX3
  if constexpr (Map::kDynamic) {
    return for_pieces(in, codes, count, [=](const float* from, uint8_t* to) NAMP_LANES {
      encode_piece<Map>(from, Lane(inverse), to);
    });
  }
#endif
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
// A run of kCodedRun elements at most, in one function, which loads its tables once.
template <class Map>
HWY_NOINLINE void encode_run(const float* in, int64_t count, uint8_t* codes, float* scales) {
  const auto for_blocks = [&](auto&& body) HWY_ATTR {
    for (int64_t i = 0; i < count; i += NAMP_BLOCK_ELEMENTS)
      body(i, scales[i / NAMP_BLOCK_ELEMENTS], std::min<int64_t>(NAMP_BLOCK_ELEMENTS, count - i));
  };
  // All scales first: a maximum is waited for while the next ones are looked for.
  for_blocks([&](int64_t i, float& scale, int64_t length)
                 NAMP_LANES { scale = scale_of_block<Map>(in + i, length); });
  for_blocks([&](int64_t i, float scale, int64_t length) NAMP_LANES {
    encode_block<Map>(in + i, inverse_block_scale(scale), codes + i, length);
  });
}
inline void encode_blocks(int32_t dtype, const float* in, int64_t begin, int64_t count, void* data,
                          float* scales) {
  with_block_map(dtype, [&](auto map) HWY_ATTR {
    for (int64_t i = 0; i < count; i += kCodedRun) {
      encode_run<decltype(map)>(in + i, std::min(kCodedRun, count - i),
                                static_cast<uint8_t*>(data) + begin + i,
                                scales + (begin + i) / NAMP_BLOCK_ELEMENTS);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
