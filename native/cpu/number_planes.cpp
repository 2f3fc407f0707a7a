#include "cpu/number_planes.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "cpu/simd_target.h"
#include "formulas/block_code.h"

#define NAMP_VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")))

namespace namp {
namespace {

// A byte of the number of every code.
struct NumberPlanes {
  alignas(64) uint8_t bytes[4][256];
};

template <class Map>
NumberPlanes planes_of() {
  NumberPlanes planes;
  for (uint32_t code = 0; code < 256; ++code) {
    const uint32_t number = bits(block_number<Map, float>(code));
    for (int k = 0; k < 4; ++k)
      planes.bytes[k][code] = static_cast<uint8_t>(number >> (8 * k));
  }
  return planes;
}

constexpr int64_t kPiece = 64;

// The planes in registers.
struct Tables {
  __m512i quarters[4][4];  // by a number's byte and a code's two upper bits
};

NAMP_VBMI inline __m512i look_up(const __m512i* quarters, __m512i codes, __mmask64 upper) {
  return _mm512_mask_mov_epi8(_mm512_permutex2var_epi8(quarters[0], codes, quarters[1]), upper,
                              _mm512_permutex2var_epi8(quarters[2], codes, quarters[3]));
}

NAMP_VBMI inline void store_numbers(__m512i numbers, __m512 scale, float* out) {
  _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_castsi512_ps(numbers), scale));
}

NAMP_VBMI inline void decode_piece(const Tables& tables, const uint8_t* codes, __m512 scale,
                                   float* out) {
  // In this order the bytes' parts within 128 bits become vectors of consecutive numbers.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i ordered = _mm512_permutexvar_epi32(order, _mm512_loadu_si512(codes));
  const __mmask64 upper = _mm512_movepi8_mask(ordered);
  const __m512i byte0 = look_up(tables.quarters[0], ordered, upper);
  const __m512i byte1 = look_up(tables.quarters[1], ordered, upper);
  const __m512i byte2 = look_up(tables.quarters[2], ordered, upper);
  const __m512i byte3 = look_up(tables.quarters[3], ordered, upper);
  const __m512i first_low = _mm512_unpacklo_epi8(byte0, byte1);
  const __m512i first_upper = _mm512_unpacklo_epi8(byte2, byte3);
  const __m512i last_low = _mm512_unpackhi_epi8(byte0, byte1);
  const __m512i last_upper = _mm512_unpackhi_epi8(byte2, byte3);
  store_numbers(_mm512_unpacklo_epi16(first_low, first_upper), scale, out);
  store_numbers(_mm512_unpackhi_epi16(first_low, first_upper), scale, out + 16);
  store_numbers(_mm512_unpacklo_epi16(last_low, last_upper), scale, out + 32);
  store_numbers(_mm512_unpackhi_epi16(last_low, last_upper), scale, out + 48);
}

NAMP_VBMI void decode(const NumberPlanes& planes, const uint8_t* codes, const float* scales,
                      int64_t count, float* out) {
  Tables tables;
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
#pragma GCC unroll 4
    for (int quarter = 0; quarter < 4; ++quarter)
      tables.quarters[k][quarter] = _mm512_load_si512(planes.bytes[k] + quarter * kPiece);
  }
  int64_t i = 0;
  for (; i + kPiece <= count; i += kPiece)
    decode_piece(tables, codes + i, _mm512_set1_ps(scales[i / NAMP_BLOCK_ELEMENTS]), out + i);
  if (i == count) return;
  uint8_t some[kPiece] = {};
  float numbers[kPiece];
  std::memcpy(some, codes + i, static_cast<size_t>(count - i));
  decode_piece(tables, some, _mm512_set1_ps(scales[i / NAMP_BLOCK_ELEMENTS]), numbers);
  std::copy_n(numbers, count - i, out + i);
}

}  // namespace

bool has_number_planes(namp_simd simd) {
  return simd >= NAMP_SIMD_AVX512 && simd == best_simd() && __builtin_cpu_supports("avx512vbmi");
}

void decode_by_planes(int32_t dtype, const uint8_t* codes, const float* scales, int64_t count,
                      float* out) {
  static const NumberPlanes with_sign = planes_of<SignedDynamic>();
  static const NumberPlanes without = planes_of<UnsignedDynamic>();
  decode(dtype == NAMP_INT8_DYNAMIC ? with_sign : without, codes, scales, count, out);
}

}  // namespace namp

#else

namespace namp {

bool has_number_planes(namp_simd) { return false; }
void decode_by_planes(int32_t, const uint8_t*, const float*, int64_t, float*) {}

}  // namespace namp

#endif
