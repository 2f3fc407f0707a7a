// Sums of products of 8-bit integers by VPDPBUSD, which multiplies unsigned by signed bytes and adds
// four products to a sum of 32 bits without saturation ("Intel 64 and IA-32 Architectures Software
// Developer's Manual", volume 2). a + 128 is unsigned, so 128 times the sum of b is subtracted. Sums
// wrap on the way and are exact at the end.
#include "cpu/int8_sums.h"

#include "cpu/simd_target.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

namespace namp {
namespace {

#define NAMP_DOTS __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

constexpr int64_t kStep = 64;

// Bytes of a row; after its end zeros.
NAMP_DOTS inline __m512i load(const int8_t* p, __mmask64 mask) {
  return _mm512_maskz_loadu_epi8(mask, p);
}

struct Rows {
  const int8_t* a;
  const int8_t* b;
  int64_t depth;
};

template <int kRows, int kColumns>
NAMP_DOTS inline void step(const Rows& rows, int64_t i, __mmask64 mask,
                           __m512i (&sums)[kRows][kColumns]) {
  const __m512i offset = _mm512_set1_epi8(-128);  // flips the sign bit: adds 128
  __m512i b[kColumns];
#pragma GCC unroll 4
  for (int c = 0; c < kColumns; ++c)
    b[c] = load(rows.b + c * rows.depth + i, mask);
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    const __m512i a = _mm512_xor_si512(load(rows.a + r * rows.depth + i, mask), offset);
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c)
      sums[r][c] = _mm512_dpbusd_epi32(sums[r][c], a, b[c]);
  }
}

// The wrapped sums of (a + 128) * b, less the corrections of the columns.
template <int kRows, int kColumns>
NAMP_DOTS void tile(const Rows& rows, const uint32_t* corrections, int32_t* out) {
  __m512i sums[kRows][kColumns];
  for (auto& row : sums) {
    for (__m512i& sum : row)
      sum = _mm512_setzero_si512();
  }
  int64_t i = 0;
  for (; i + kStep <= rows.depth; i += kStep)
    step<kRows, kColumns>(rows, i, ~__mmask64{0}, sums);
  if (i < rows.depth) step<kRows, kColumns>(rows, i, (__mmask64{1} << (rows.depth - i)) - 1, sums);
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      const auto sum = static_cast<uint32_t>(_mm512_reduce_add_epi32(sums[r][c]));
      out[r * kInt8PieceColumns + c] = static_cast<int32_t>(sum - corrections[c]);
    }
  }
}

NAMP_DOTS uint32_t sum_times_128(const int8_t* b, int64_t depth) {
  const __m512i factor = _mm512_set1_epi8(-128);  // 128, unsigned
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < depth; i += kStep) {
    const int64_t left = depth - i;
    const __mmask64 mask = left >= kStep ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    sum = _mm512_dpbusd_epi32(sum, factor, load(b + i, mask));
  }
  return static_cast<uint32_t>(_mm512_reduce_add_epi32(sum));
}

void sum_by_dots(const int8_t* a, int64_t rows, const int8_t* b, int64_t columns, int64_t depth,
                 int32_t* sums) {
  uint32_t corrections[kInt8PieceColumns];
  for (int64_t c = 0; c < columns; ++c)
    corrections[c] = sum_times_128(b + c * depth, depth);
  for_int8_tiles(rows, columns, [&](auto height, auto width, int64_t row, int64_t column) {
    tile<decltype(height)::value, decltype(width)::value>(
        {a + row * depth, b + column * depth, depth}, corrections + column,
        sums + row * kInt8PieceColumns + column);
  });
}

// With AVX-512 asked for on a machine that has more, the kernels are AVX-512's own, so that a test
// there runs them too.
bool has_dots(namp_simd simd) {
  return simd >= NAMP_SIMD_AVX512 && simd == best_simd() && __builtin_cpu_supports("avx512vnni");
}

}  // namespace

Int8Sums int8_sums_by_dots(namp_simd simd) { return has_dots(simd) ? &sum_by_dots : nullptr; }

}  // namespace namp

#else

namespace namp {

Int8Sums int8_sums_by_dots(namp_simd) { return nullptr; }

}  // namespace namp

#endif
