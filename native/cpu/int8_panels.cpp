#include "cpu/int8_panels.h"

#include <algorithm>
#include <cstring>

#include "cpu/vnni.h"

#if defined(NAMP_VNNI)

namespace namp {
namespace {

// Words of a register.
constexpr int64_t kWords = 16;

void pack_rows(const int8_t* a, int64_t rows, int64_t depth, uint32_t* words, uint32_t* sums) {
  const int64_t whole = depth / 4;
  const int64_t units = int8_units(depth);
  std::fill_n(sums, kInt8TileRows, 0u);
  for (int64_t r = 0; r < kInt8TileRows; ++r) {
    uint32_t* out = words + r;
    if (r >= rows) {
      for (int64_t unit = 0; unit < units; ++unit)
        out[unit * kInt8TileRows] = 0;
      continue;
    }
    const int8_t* in = a + r * depth;
    for (int64_t unit = 0; unit < whole; ++unit)
      std::memcpy(out + unit * kInt8TileRows, in + 4 * unit, 4);
    if (whole < units) {
      uint32_t last = 0;
      std::memcpy(&last, in + 4 * whole, static_cast<size_t>(depth - 4 * whole));
      out[whole * kInt8TileRows] = last;
    }
    int32_t sum = 0;
    for (int64_t i = 0; i < depth; ++i)
      sum += in[i];
    sums[r] = static_cast<uint32_t>(sum);
  }
}

// Rows of sixteen words become columns.
NAMP_VNNI inline __attribute__((always_inline)) void transpose_words(__m512i (&rows)[kWords]) {
  __m512i pairs[kWords];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  // Of four rows in each lane of 128 bits: words 0 to 3.
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512i low = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x44);
    const __m512i high = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xee);
    const __m512i more_low = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x44);
    const __m512i more_high = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xee);
    rows[i] = _mm512_shuffle_i32x4(low, more_low, 0x88);
    rows[i + 4] = _mm512_shuffle_i32x4(low, more_low, 0xdd);
    rows[i + 8] = _mm512_shuffle_i32x4(high, more_high, 0x88);
    rows[i + 12] = _mm512_shuffle_i32x4(high, more_high, 0xdd);
  }
}

// Sixteen columns. Where fewer are left, the last one is repeated.
template <bool kSums>
NAMP_VNNI void pack_some_columns(const int8_t* b, int64_t columns, int64_t depth, uint32_t* words,
                                 uint32_t* sums) {
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i totals[kWords];
#pragma GCC unroll 32
  for (int c = 0; c < kWords; ++c)
    totals[c] = _mm512_setzero_si512();
  const int64_t units = int8_units(depth);
  for (int64_t i = 0; i < depth; i += kVnniStep) {
    const __mmask64 mask = vnni_mask(depth - i);
    __m512i codes[kWords];
#pragma GCC unroll 32
    for (int c = 0; c < kWords; ++c) {
      codes[c] = _mm512_maskz_loadu_epi8(mask, b + std::min<int64_t>(c, columns - 1) * depth + i);
      if (kSums) totals[c] = _mm512_dpbusd_epi32(totals[c], ones, codes[c]);
    }
    transpose_words(codes);
    const int64_t first = i / 4;
    const int64_t count = std::min(kWords, units - first);
    uint32_t* out = words + first * kInt8TileColumns;
    if (count == kWords) {
#pragma GCC unroll 32
      for (int unit = 0; unit < kWords; ++unit)
        _mm512_storeu_si512(out + unit * kInt8TileColumns, vnni_unsigned(codes[unit]));
    } else {
      for (int64_t unit = 0; unit < count; ++unit)
        _mm512_storeu_si512(out + unit * kInt8TileColumns, vnni_unsigned(codes[unit]));
    }
  }
  if (kSums) _mm512_storeu_si512(sums, vnni_sums(totals));
}

void pack_columns(const int8_t* b, int64_t columns, int64_t depth, uint32_t* words,
                  uint32_t* sums) {
  for (int64_t c = 0; c < kInt8TileColumns; c += kWords) {
    const int64_t first = std::min(c, columns - 1);
    const int8_t* in = b + first * depth;
    sums == nullptr ? pack_some_columns<false>(in, columns - first, depth, words + c, nullptr)
                    : pack_some_columns<true>(in, columns - first, depth, words + c, sums + c);
  }
}

template <int kRows>
NAMP_VNNI void multiply_tile(const uint32_t* a, const uint32_t* b, int64_t units,
                             const uint32_t* row_starts, const uint32_t* column_corrections,
                             int32_t* out, int64_t stride) {
  __m512i left[kRows];
  __m512i right[kRows];
  // GCC keeps the sums in registers if it unrolls every loop over them, for which they have to be short.
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
    left[r] = right[r] = _mm512_set1_epi32(static_cast<int32_t>(row_starts[r]));
  for (int64_t unit = 0; unit < units; ++unit, a += kInt8TileRows, b += kInt8TileColumns) {
    const __m512i b_left = _mm512_loadu_si512(b);
    const __m512i b_right = _mm512_loadu_si512(b + kWords);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const __m512i codes = _mm512_set1_epi32(static_cast<int32_t>(a[r]));
      left[r] = _mm512_dpbusd_epi32(left[r], b_left, codes);
      right[r] = _mm512_dpbusd_epi32(right[r], b_right, codes);
    }
  }
  const __m512i left_corrections = _mm512_loadu_si512(column_corrections);
  const __m512i right_corrections = _mm512_loadu_si512(column_corrections + kWords);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_si512(out + r * stride, _mm512_sub_epi32(left[r], left_corrections));
    _mm512_storeu_si512(out + r * stride + kWords, _mm512_sub_epi32(right[r], right_corrections));
  }
}

void multiply(const uint32_t* a, int64_t rows, const uint32_t* b, int64_t units,
              const uint32_t* row_starts, const uint32_t* column_corrections, int32_t* sums,
              int64_t stride) {
  const auto tile = rows <= 4   ? &multiply_tile<4>
                    : rows <= 8 ? &multiply_tile<8>
                                : &multiply_tile<kInt8TileRows>;
  tile(a, b, units, row_starts, column_corrections, sums, stride);
}

constexpr Int8Panels kPanels{&pack_rows, &pack_columns, &multiply};

}  // namespace

const Int8Panels* int8_panels(namp_simd simd) { return has_vnni(simd) ? &kPanels : nullptr; }

}  // namespace namp

#else

namespace namp {

const Int8Panels* int8_panels(namp_simd) { return nullptr; }

}  // namespace namp

#endif
