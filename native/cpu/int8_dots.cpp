// Sums of products of 8-bit integers by VPDPBUSD (vnni.h): those of few rows, where rows of both
// operands are read as they lie, and those of windows. One side of a product is unsigned, so 128
// times the sum of the other one is subtracted, and with a zero point as many more. Sums wrap on the
// way and are exact at the end.
#include "cpu/int8_sums.h"

#include "cpu/vnni.h"

#if defined(NAMP_VNNI)

namespace namp {
namespace {

struct Rows {
  const int8_t* a;
  const int8_t* b;
  int64_t depth;
};

// Adds the products of a step of rows of A and of B plus 128.
template <int kRows, int kColumns>
NAMP_VNNI inline void add_step(const Rows& rows, int64_t i, __mmask64 mask, __m512i (&sums)[16]) {
  __m512i b[kColumns];
#pragma GCC unroll 16
  for (int c = 0; c < kColumns; ++c)
    b[c] = vnni_unsigned(_mm512_maskz_loadu_epi8(mask, rows.b + c * rows.depth + i));
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const __m512i a = _mm512_maskz_loadu_epi8(mask, rows.a + r * rows.depth + i);
#pragma GCC unroll 16
    for (int c = 0; c < kColumns; ++c)
      sums[r * kColumns + c] = _mm512_dpbusd_epi32(sums[r * kColumns + c], b[c], a);
  }
}

// The sums of a tile, less 128 times those of the rows.
template <int kRows, int kColumns>
NAMP_VNNI void tile(const Rows& rows, const uint32_t* row_sums, int32_t* out) {
  __m512i sums[16];
#pragma GCC unroll 32
  for (int i = 0; i < 16; ++i)
    sums[i] = _mm512_setzero_si512();
  // The rows of B after these, which are read next: they come as fast as these go.
  const auto next = reinterpret_cast<uintptr_t>(rows.b) + kColumns * rows.depth;
  int64_t i = 0;
  for (; i + kVnniStep <= rows.depth; i += kVnniStep) {
    if (kRows == 1) {
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c)
        __builtin_prefetch(reinterpret_cast<const void*>(next + kColumns * i + c * kVnniStep), 0,
                           2);
    }
    add_step<kRows, kColumns>(rows, i, ~__mmask64{0}, sums);
  }
  if (i < rows.depth) add_step<kRows, kColumns>(rows, i, vnni_mask(rows.depth - i), sums);
  alignas(64) uint32_t all[16];
  _mm512_store_si512(all, vnni_sums(sums));
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const uint32_t correction = 128 * row_sums[r];
#pragma GCC unroll 16
    for (int c = 0; c < kColumns; ++c)
      out[r * kInt8PieceColumns + c] = static_cast<int32_t>(all[r * kColumns + c] - correction);
  }
}

// The sums of rows of codes.
template <int kCount>
NAMP_VNNI void sum_codes(const int8_t* codes, int64_t depth, uint32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i totals[kCount];
#pragma GCC unroll 8
  for (int c = 0; c < kCount; ++c)
    totals[c] = _mm512_setzero_si512();
  int64_t i = 0;
  for (; i + kVnniStep <= depth; i += kVnniStep) {
#pragma GCC unroll 8
    for (int c = 0; c < kCount; ++c)
      totals[c] = _mm512_dpbusd_epi32(totals[c], ones, _mm512_loadu_si512(codes + c * depth + i));
  }
  const __mmask64 mask = vnni_mask(depth - i);
#pragma GCC unroll 8
  for (int c = 0; c < kCount; ++c)
    totals[c] =
        _mm512_dpbusd_epi32(totals[c], ones, _mm512_maskz_loadu_epi8(mask, codes + c * depth + i));
#pragma GCC unroll 8
  for (int c = 0; c < kCount; ++c)
    sums[c] = static_cast<uint32_t>(_mm512_reduce_add_epi32(totals[c]));
}

void sum_by_dots(const int8_t* a, int64_t rows, const int8_t* b, int64_t columns, int64_t depth,
                 int32_t zero_point, int32_t* sums) {
  uint32_t row_sums[kInt8PieceRows];
  for (int64_t r = 0; r < rows; ++r)
    sum_codes<1>(a + r * depth, depth, row_sums + r);
  uint32_t column_sums[kInt8PieceColumns];
  for_int8_tiles(rows, columns, [&](auto height, auto width, int64_t row, int64_t column) {
    constexpr int kRows = decltype(height)::value;
    constexpr int kColumns = decltype(width)::value;
    tile<kRows, kColumns>({a + row * depth, b + column * depth, depth}, row_sums + row,
                          sums + row * kInt8PieceColumns + column);
    // The columns are in the first cache now.
    if (zero_point != 0 && row == 0)
      sum_codes<kColumns>(b + column * depth, depth, column_sums + column);
  });
  if (zero_point == 0) return;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      int32_t& sum = sums[r * kInt8PieceColumns + c];
      sum = static_cast<int32_t>(static_cast<uint32_t>(sum) -
                                 static_cast<uint32_t>(zero_point) * column_sums[c]);
    }
  }
}

template <int kOutputs, int kRunCount>
NAMP_VNNI void window_tile(const Int8Windows& windows, int64_t output, int64_t run,
                           uint32_t* sums) {
  const uint32_t* planes[kRunCount];
  for (int r = 0; r < kRunCount; ++r)
    planes[r] = windows.planes + windows.starts[run + r];
  const uint32_t* weights = windows.weights + output * windows.taps;
  __m512i acc[kOutputs][kRunCount];
#pragma GCC unroll 8
  for (int o = 0; o < kOutputs; ++o) {
#pragma GCC unroll 8
    for (int r = 0; r < kRunCount; ++r)
      acc[o][r] = _mm512_setzero_si512();
  }
  for (int64_t tap = 0; tap < windows.taps; ++tap) {
    const int64_t offset = windows.offsets[tap];
    __m512i codes[kRunCount];
#pragma GCC unroll 8
    for (int r = 0; r < kRunCount; ++r)
      codes[r] = _mm512_loadu_si512(planes[r] + offset);
#pragma GCC unroll 8
    for (int o = 0; o < kOutputs; ++o) {
      const __m512i weight =
          _mm512_set1_epi32(static_cast<int32_t>(weights[o * windows.taps + tap]));
#pragma GCC unroll 8
      for (int r = 0; r < kRunCount; ++r)
        acc[o][r] = _mm512_dpbusd_epi32(acc[o][r], codes[r], weight);
    }
  }
#pragma GCC unroll 8
  for (int o = 0; o < kOutputs; ++o) {
#pragma GCC unroll 8
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

}  // namespace

Int8Sums int8_sums_by_dots(namp_simd simd) { return has_vnni(simd) ? &sum_by_dots : nullptr; }
Int8WindowSums int8_window_sums_by_dots(namp_simd simd) {
  return has_vnni(simd) ? &sum_windows_by_dots : nullptr;
}

}  // namespace namp

#else

namespace namp {

Int8Sums int8_sums_by_dots(namp_simd) { return nullptr; }
Int8WindowSums int8_window_sums_by_dots(namp_simd) { return nullptr; }

}  // namespace namp

#endif
