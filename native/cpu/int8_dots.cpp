// Sums of products of 8-bit integers by VPDPBUSD, which multiplies unsigned by signed bytes and adds
// four products to a sum of 32 bits without saturation ("Intel 64 and IA-32 Architectures Software
// Developer's Manual", volume 2). a + 128 is unsigned, so 128 times the sum of b is subtracted, and
// with a zero point as many more. Sums wrap on the way and are exact at the end.
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

NAMP_DOTS uint32_t sum_times(uint8_t times, const int8_t* b, int64_t depth) {
  const __m512i factor = _mm512_set1_epi8(static_cast<char>(times));
  __m512i sum = _mm512_setzero_si512();
  for (int64_t i = 0; i < depth; i += kStep) {
    const int64_t left = depth - i;
    const __mmask64 mask = left >= kStep ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
    sum = _mm512_dpbusd_epi32(sum, factor, load(b + i, mask));
  }
  return static_cast<uint32_t>(_mm512_reduce_add_epi32(sum));
}

void sum_by_dots(const int8_t* a, int64_t rows, const int8_t* b, int64_t columns, int64_t depth,
                 int32_t zero_point, int32_t* sums) {
  uint32_t corrections[kInt8PieceColumns] = {};
  // Nothing is left to correct where zeros are the smallest code, as after a ReLU.
  const auto shift = static_cast<uint8_t>(zero_point + 128);
  if (shift != 0) {
    for (int64_t c = 0; c < columns; ++c)
      corrections[c] = sum_times(shift, b + c * depth, depth);
  }
  for_int8_tiles(rows, columns, [&](auto height, auto width, int64_t row, int64_t column) {
    tile<decltype(height)::value, decltype(width)::value>(
        {a + row * depth, b + column * depth, depth}, corrections + column,
        sums + row * kInt8PieceColumns + column);
  });
}

template <int kOutputs, int kRunCount>
NAMP_DOTS void window_tile(const Int8Windows& windows, int64_t output, int64_t run,
                           uint32_t* sums) {
  const uint32_t* planes[kRunCount];
  for (int r = 0; r < kRunCount; ++r)
    planes[r] = windows.planes + windows.starts[run + r];
  const uint32_t* weights = windows.weights + output * windows.taps;
  __m512i acc[kOutputs][kRunCount];
  for (auto& row : acc) {
    for (__m512i& sum : row)
      sum = _mm512_setzero_si512();
  }
  for (int64_t tap = 0; tap < windows.taps; ++tap) {
    const int64_t offset = windows.offsets[tap];
    __m512i codes[kRunCount];
#pragma GCC unroll 4
    for (int r = 0; r < kRunCount; ++r)
      codes[r] = _mm512_loadu_si512(planes[r] + offset);
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o) {
      const __m512i weight =
          _mm512_set1_epi32(static_cast<int32_t>(weights[o * windows.taps + tap]));
#pragma GCC unroll 4
      for (int r = 0; r < kRunCount; ++r)
        acc[o][r] = _mm512_dpbusd_epi32(acc[o][r], codes[r], weight);
    }
  }
  for (int o = 0; o < kOutputs; ++o) {
    for (int r = 0; r < kRunCount; ++r) {
      _mm512_storeu_si512(sums + ((output + o) * kInt8Runs + run + r) * kInt8Run, acc[o][r]);
    }
  }
}

void sum_windows_by_dots(const Int8Windows& windows, int64_t outputs, int64_t runs,
                         uint32_t* sums) {
  for_int8_tiles(outputs, runs, [&](auto height, auto width, int64_t output, int64_t run) {
    window_tile<decltype(height)::value, decltype(width)::value>(windows, output, run, sums);
  });
}

// With AVX-512 asked for on a machine that has more, the kernels are AVX-512's own, so that a test
// there runs them too.
bool has_dots(namp_simd simd) {
  return simd >= NAMP_SIMD_AVX512 && simd == best_simd() && __builtin_cpu_supports("avx512vnni");
}

}  // namespace

Int8Sums int8_sums_by_dots(namp_simd simd) { return has_dots(simd) ? &sum_by_dots : nullptr; }
Int8WindowSums int8_window_sums_by_dots(namp_simd simd) {
  return has_dots(simd) ? &sum_windows_by_dots : nullptr;
}

}  // namespace namp

#else

namespace namp {

Int8Sums int8_sums_by_dots(namp_simd) { return nullptr; }
Int8WindowSums int8_window_sums_by_dots(namp_simd) { return nullptr; }

}  // namespace namp

#endif
