// 8-bit codes in blocks (formulas/block_code.h): a warp has a block, each of its lanes a pack.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/loop.cuh"
#include "cuda/reduce.cuh"
#include "formulas/block_code.h"

namespace namp::cuda {

static_assert(NAMP_BLOCK_ELEMENTS == kWarp * kPack, "a warp has a block");

// Returns body(Map{}) for a dtype that is_block_code; kDynamic: of a dynamic map.
template <bool kDynamic = false, class Body>
NAMP_DEVICE auto with_block_map(int32_t dtype, Body&& body) {
#define NAMP_CASE(DTYPE, Map, ...)            \
  if constexpr (!kDynamic || Map::kDynamic) { \
    if (dtype == DTYPE) return body(Map{});   \
  }
  NAMP_FOR_EACH_BLOCK_CODE(NAMP_CASE)
#undef NAMP_CASE
  trap();
}

// This lane's part of a block's scale, for block_scale_of. Only the first lane reads the scale, as it
// alone writes it: nothing else would order the write after the others' reads.
NAMP_DEVICE float fetch_scale(const namp_cell& cell, int64_t i) {
  return i % NAMP_BLOCK_ELEMENTS == 0 ? load(cell.scale + i / NAMP_BLOCK_ELEMENTS) : 0.0f;
}
// All lanes of the warp take part.
NAMP_DEVICE float block_scale_of(float fetched) {
  return from_bits(shuffle_from(bits(fetched), 0));
}

// This lane's pack of a block; i is the pack's first element in the tensor. All lanes of the warp
// take part.
NAMP_DEVICE Pack<kPack> load_codes(const namp_cell& cell, int64_t i, Prefix part) {
  const float scale = block_scale_of(fetch_scale(cell, i));
  const auto codes = load_raw(static_cast<const uint8_t*>(cell.data) + i, part);
  return with_block_map(cell.dtype, [&](auto map) {
    Pack<kPack> x;
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      x.at[j] = block_number<decltype(map), float>(uint32_t{codes.at[j]}) * scale;
    return x;
  });
}

// The numbers of all codes of every map, in shared memory: where other arithmetic has to be done, a
// load from there is shorter than the formula.
struct BlockNumbers {
  static constexpr int kCodes = 256;
  static constexpr int kFirst = NAMP_INT8_DYNAMIC;
  static constexpr int kMaps = NAMP_UINT8_LINEAR - kFirst + 1;
  float at[kMaps][kCodes];

  NAMP_DEVICE void fill() {
    for (int code = thread_index(); code < kCodes; code += block_threads()) {
#define NAMP_FILL(DTYPE, Map, ...)                                                          \
  static_assert(DTYPE >= kFirst && DTYPE - kFirst < kMaps, "the dtypes follow each other"); \
  at[DTYPE - kFirst][code] = block_number<Map, float>(static_cast<uint32_t>(code));
      NAMP_FOR_EACH_BLOCK_CODE(NAMP_FILL)
#undef NAMP_FILL
    }
  }
  NAMP_DEVICE Pack<kPack> decode(const RawPack<uint8_t, kPack>& codes, int32_t dtype,
                                 float scale) const {
    const float* numbers = at[dtype - kFirst];
    Pack<kPack> x;
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      x.at[j] = numbers[codes.at[j]] * scale;
    return x;
  }
};

// Stores this lane's pack of a block. All lanes of the warp take part. kDynamic: of a dynamic map.
template <bool kDynamic = false>
NAMP_DEVICE void store_codes(const Pack<kPack>& x, const namp_cell& cell, int64_t i, Prefix part) {
  uint32_t any = 0;
  uint32_t largest = 0x80000000u;
#pragma unroll
  for (int j = 0; j < kPack; ++j) {
    if (j >= part.there) break;
    any = larger_unsigned(any, bits(x.at[j]));
    largest = larger(largest, bits(x.at[j]));
  }
  any = warp_reduce(any, [](uint32_t a, uint32_t b) { return larger_unsigned(a, b); });
  largest = warp_reduce(largest, [](uint32_t a, uint32_t b) { return larger(a, b); });
  bool with_sign = false;
  bool dynamic = false;
  with_block_map<kDynamic>(cell.dtype, [&](auto map) {
    with_sign = decltype(map)::kSigned;
    dynamic = decltype(map)::kDynamic;
  });
  const float scale = block_scale(any, largest, with_sign, dynamic);
  const float inverse = inverse_block_scale(scale);
  RawPack<uint8_t, kPack> codes;
  with_block_map<kDynamic>(cell.dtype, [&](auto map) {
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      const float number = inverse == 0.0f ? 0.0f : x.at[j] * inverse;
      codes.at[j] = static_cast<uint8_t>(block_code<decltype(map)>(number));
    }
  });
  store_raw(codes, static_cast<uint8_t*>(cell.data) + i, part);
  // The wall's rule: where a tensor's codes are written its scales are.
  if (i % NAMP_BLOCK_ELEMENTS == 0 && part.there > 0)
    store(scale, const_cast<float*>(cell.scale) + i / NAMP_BLOCK_ELEMENTS);
}

// Calls body(i, part) for this thread's packs of elements first to count - 1 of a chunk, both begin where
// a block does; the lanes of a warp get a block's packs, and all of them are called.
template <class Body>
NAMP_DEVICE void for_blocks(int first, int count, Body&& body) {
  const int warps = block_threads() / kWarp;
  const int lane = thread_index() % kWarp;
  for (int begin = first + thread_index() / kWarp * NAMP_BLOCK_ELEMENTS; begin < count;
       begin += warps * NAMP_BLOCK_ELEMENTS) {
    const int i = begin + lane * kPack;
    body(i, Prefix(count - i));
  }
}

}  // namespace namp::cuda
