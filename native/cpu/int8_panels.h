// Products of many rows of 8-bit integers: both operands are laid out in words of four codes along
// the sum, so that a tile of sums stays in registers and no sum runs across a register.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

// Rows and columns of a tile.
inline constexpr int64_t kInt8TileRows = 12;
inline constexpr int64_t kInt8TileColumns = 32;

// From this number of rows on, laying out a weight takes less time than it saves.
inline constexpr int64_t kInt8PanelsFrom = 40;

// Words of a row.
constexpr int64_t int8_units(int64_t depth) { return (depth + 3) / 4; }

struct Int8Panels {
  // words[unit * kInt8TileRows + r] = the codes of row r, zeros for those that are not there. sums[r]
  // is that of the row.
  void (*pack_rows)(const int8_t* a, int64_t rows, int64_t depth, uint32_t* words, uint32_t* sums);

  // words[unit * kInt8TileColumns + c] = the codes of column c plus 128, which makes them unsigned.
  // sums[c] is that of the column without the 128; null if it is not wanted. Columns that are not
  // there are the last one again.
  void (*pack_columns)(const int8_t* b, int64_t columns, int64_t depth, uint32_t* words,
                       uint32_t* sums);

  // sums[r * stride + c] = row_starts[r] + sum of products of the words - column_corrections[c]; it
  // wraps. Rows are rounded up to 4, 8 or 12.
  void (*multiply)(const uint32_t* a, int64_t rows, const uint32_t* b, int64_t units,
                   const uint32_t* row_starts, const uint32_t* column_corrections, int32_t* sums,
                   int64_t stride);
};

// By AVX-512 VNNI; null where a target does not have it.
const Int8Panels* int8_panels(namp_simd simd);

}  // namespace namp
