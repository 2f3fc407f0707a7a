// The layout of a weight [n, k] of 8-bit codes for products (namp_int8_pack), the same for every
// SIMD target: panels of kInt8PanelColumns rows of the weight, which are columns of the product, the
// last panel filled up with zeros. A panel has the sum of each column, in 32 bits, and then for every
// four codes along k, filled up with zeros too, those of each column. So a register of it meets four
// codes of a row in every lane, no sum runs across a register, and a product of one row reads the
// weight from its beginning to its end.
//
// The codes of rows of A become unsigned (code + 128) where they are made ready, for the instructions
// that multiply unsigned by signed bytes; NEON's multiply signed ones. One correction, (zero point +
// 128) times the sum of the column, or zero point times it, serves every row.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

// Columns of a panel, and the most rows of a block of A.
inline constexpr int64_t kInt8PanelColumns = 32;
inline constexpr int64_t kInt8BlockRows = 12;

// Four codes of each column.
inline constexpr int64_t kInt8UnitBytes = 4 * kInt8PanelColumns;

constexpr int64_t int8_units(int64_t depth) { return (depth + 3) / 4; }
constexpr int64_t int8_panel_bytes(int64_t depth) {
  return (int8_units(depth) + 1) * kInt8UnitBytes;
}
constexpr int64_t int8_panel_count(int64_t columns) {
  return (columns + kInt8PanelColumns - 1) / kInt8PanelColumns;
}

// Sums of a block's rows and a panel's columns.
struct Int8Tile {
  const uint8_t* rows;   // as pack_rows has left them
  int64_t count;         // of rows, 1 to kInt8BlockRows
  const uint8_t* units;  // of the panel, behind its sums
  int64_t unit_count;
  const uint32_t* corrections;  // [kInt8PanelColumns], which are subtracted; sums wrap
  int32_t* sums;                // [count, stride]
  int64_t stride;
};

struct Int8Kernel {
  // Of a row of a block.
  int64_t (*row_bytes)(int64_t depth);
  // Makes a block's rows ready.
  void (*pack_rows)(const int8_t* a, int64_t rows, int64_t depth, uint8_t* packed);
  void (*multiply)(const Int8Tile& tile);
  int32_t added;  // to each code by pack_rows: 128 or 0
};

// By AVX-512 VNNI, or NEON's dot product; null where a target has neither.
const Int8Kernel* int8_kernel_by_dots(namp_simd simd);

}  // namespace namp
