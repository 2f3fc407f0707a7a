// Products of panels, and sums of windows, of 8-bit integers by SDOT (neon_dots.h).
#include "cpu/neon_dots.h"

#if defined(NAMP_DOTPROD)

#include <algorithm>
#include <cstring>

#include "cpu/int8_panels.h"
#include "cpu/int8_windows.h"

namespace namp {
namespace {

// ---- Panels ----

int64_t row_bytes(int64_t depth) {
  return (depth + kDotprodStep - 1) / kDotprodStep * kDotprodStep;
}

// Codes stay signed, filled up with zeros.
void pack_rows(const int8_t* a, int64_t rows, int64_t depth, uint8_t* packed) {
  const int64_t padded = row_bytes(depth);
  for (int64_t r = 0; r < rows; ++r, packed += padded) {
    std::memcpy(packed, a + r * depth, static_cast<size_t>(depth));
    std::memset(packed + depth, 0, static_cast<size_t>(padded - depth));
  }
}

// Adds the products of a unit with one word of each row.
template <int kWord, int kRows, int kVectors>
NAMP_DOTPROD_INLINE void add_unit(const int8x16_t (&rows)[kRows], const int8_t* unit,
                                  int32x4_t (&sums)[kRows][kVectors]) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const int8x16_t codes = vld1q_s8(unit + 16 * v);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
      sums[r][v] = vdotq_laneq_s32(sums[r][v], codes, rows[r], kWord);
  }
}

// Some rows and kVectors registers of columns, each of which has the four codes of four.
template <int kRows, int kVectors>
NAMP_DOTPROD void multiply_some(const Int8Tile& tile, int64_t row, int64_t column) {
  int32x4_t sums[kRows][kVectors];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      sums[r][v] = vdupq_n_s32(0);
  }
  const int64_t bytes = row_bytes(4 * tile.unit_count);
  const auto* rows = reinterpret_cast<const int8_t*>(tile.rows) + row * bytes;
  const auto* units = reinterpret_cast<const int8_t*>(tile.units) + 4 * column;
  int8x16_t codes[kRows];
  int64_t count = tile.unit_count;
  for (; count >= 4; count -= 4, rows += kDotprodStep, units += 4 * kInt8UnitBytes) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
      codes[r] = vld1q_s8(rows + r * bytes);
    add_unit<0>(codes, units, sums);
    add_unit<1>(codes, units + kInt8UnitBytes, sums);
    add_unit<2>(codes, units + 2 * kInt8UnitBytes, sums);
    add_unit<3>(codes, units + 3 * kInt8UnitBytes, sums);
  }
  for (; count > 0; --count, rows += 4, units += kInt8UnitBytes) {
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
      codes[r] = dotprod_word(rows + r * bytes);
    add_unit<0>(codes, units, sums);
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const int64_t at = column + 4 * v;
    const int32x4_t corrections = vreinterpretq_s32_u32(vld1q_u32(tile.corrections + at));
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
      vst1q_s32(tile.sums + (row + r) * tile.stride + at, vsubq_s32(sums[r][v], corrections));
  }
}

// Rows from the first one on, by tiles of kRows; the first one that is left.
template <int kRows, int kVectors>
int64_t multiply_rows(const Int8Tile& tile, int64_t row) {
  for (; row + kRows <= tile.count; row += kRows) {
    for (int64_t column = 0; column < kInt8PanelColumns; column += 4 * kVectors)
      multiply_some<kRows, kVectors>(tile, row, column);
  }
  return row;
}

// A tile has at most 24 sums of the 32 registers. Of one row, eight do not wait for each other.
void multiply(const Int8Tile& tile) {
  int64_t row = multiply_rows<4, 4>(tile, 0);
  row = multiply_rows<3, 4>(tile, row);
  row = multiply_rows<2, 8>(tile, row);
  multiply_rows<1, 8>(tile, row);
}

constexpr Int8Kernel kDots{&row_bytes, &pack_rows, &multiply, 0};

// ---- Windows ----

constexpr int kRunVectors = kInt8Run / 4;

// Adds the products of a tap with one word of each output's weights.
template <int kWord, int kOutputs, int kRuns>
NAMP_DOTPROD_INLINE void add_tap(const int8x16_t (&weights)[kOutputs],
                                 const uint32_t* const (&planes)[kRuns], int64_t offset,
                                 int32x4_t (&sums)[kOutputs][kRuns * kRunVectors]) {
#pragma GCC unroll 16
  for (int v = 0; v < kRuns * kRunVectors; ++v) {
    const uint32_t* words = planes[v / kRunVectors] + offset + v % kRunVectors * 4;
    const int8x16_t codes = vreinterpretq_s8_u32(vld1q_u32(words));
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o)
      sums[o][v] = vdotq_laneq_s32(sums[o][v], codes, weights[o], kWord);
  }
}

template <int kOutputs, int kRuns>
NAMP_DOTPROD void window_some(const Int8Windows& windows, int64_t output, int64_t run) {
  const uint32_t* planes[kRuns];
  for (int r = 0; r < kRuns; ++r)
    planes[r] = windows.planes + windows.starts[run + r];
  int32x4_t sums[kOutputs][kRuns * kRunVectors];
#pragma GCC unroll 4
  for (int o = 0; o < kOutputs; ++o) {
    const uint32x4_t correction = vdupq_n_u32(0u - windows.corrections[output + o]);
#pragma GCC unroll 16
    for (int v = 0; v < kRuns * kRunVectors; ++v)
      sums[o][v] = vreinterpretq_s32_u32(correction);
  }
  const auto* weight = reinterpret_cast<const int8_t*>(windows.weights) + output * windows.taps * 4;
  const int64_t* offsets = windows.offsets;
  int8x16_t weights[kOutputs];
  int64_t count = windows.taps;
  for (; count >= 4; count -= 4, weight += kDotprodStep, offsets += 4) {
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o)
      weights[o] = vld1q_s8(weight + o * windows.taps * 4);
    add_tap<0>(weights, planes, offsets[0], sums);
    add_tap<1>(weights, planes, offsets[1], sums);
    add_tap<2>(weights, planes, offsets[2], sums);
    add_tap<3>(weights, planes, offsets[3], sums);
  }
  for (; count > 0; --count, weight += 4, ++offsets) {
#pragma GCC unroll 4
    for (int o = 0; o < kOutputs; ++o)
      weights[o] = dotprod_word(weight + o * windows.taps * 4);
    add_tap<0>(weights, planes, offsets[0], sums);
  }
#pragma GCC unroll 4
  for (int o = 0; o < kOutputs; ++o) {
    auto* out =
        reinterpret_cast<int32_t*>(windows.sums + (output + o) * windows.stride + run * kInt8Run);
#pragma GCC unroll 16
    for (int v = 0; v < kRuns * kRunVectors; ++v)
      vst1q_s32(out + 4 * v, sums[o][v]);
  }
}

// Sixteen sums of the registers: a run of four outputs, or four runs of one.
void sum_windows_by_dots(const Int8Windows& windows, int64_t outputs, int64_t runs) {
  for_int8_tiles(outputs, runs, [&](auto height, auto width, int64_t output, int64_t run) {
    constexpr int kOutputs = decltype(height)::value;
    constexpr int kRuns = decltype(width)::value;
    constexpr int kTogether = kOutputs == 1 ? kRuns : 1;
    for (int r = 0; r < kRuns; r += kTogether)
      window_some<kOutputs, kTogether>(windows, output, run + r);
  });
}

constexpr Int8WindowKernel kWindowDots{&sum_windows_by_dots, 0};

}  // namespace

const Int8Kernel* int8_kernel_by_dots(namp_simd simd) {
  return simd == NAMP_SIMD_NEON_DOTPROD ? &kDots : nullptr;
}

const Int8WindowKernel* int8_window_kernel_by_dots(namp_simd simd) {
  return simd == NAMP_SIMD_NEON_DOTPROD ? &kWindowDots : nullptr;
}

}  // namespace namp

#endif
