// The layout of a weight [n, k] of 4-bit codes for products with codes of 8 bits (namp_int4_pack), the
// same for every SIMD target: panels of kInt4PanelColumns rows of the weight, which are columns of the
// product, the last panel filled up with zeros. A panel has its groups one after the other, each with
// the scale of every column before its codes. The codes lie in lines of 32 along k, the last filled up
// with the code of 0, and a line in units of four: a unit has two codes a byte, those of the first 16
// columns in the low halves, four bytes a column. So a product of one row reads the weight from its
// beginning to its end, and no sum runs across a register.
//
// Codes stay unsigned, 0 to 15, as instructions want that multiply unsigned by signed bytes. The 8
// that they are too large by is taken off at the beginning of a group: its sum starts at -8 times the
// sum of the row's codes, which serves every column.
#pragma once

#include <cstdint>
#include <cstring>

#include "code_groups.h"
#include "nativeamp.h"

namespace namp {

// Columns of a panel, and the most rows of a block of A.
inline constexpr int64_t kInt4PanelColumns = 32;
inline constexpr int64_t kInt4BlockRows = 6;

inline constexpr int64_t kInt4Line = 32;  // codes of a column
inline constexpr int64_t kInt4LineUnits = kInt4Line / 4;
inline constexpr int64_t kInt4UnitBytes = 2 * kInt4PanelColumns;
inline constexpr int64_t kInt4LineBytes = kInt4LineUnits * kInt4UnitBytes;
inline constexpr int64_t kInt4ScaleBytes = 4 * kInt4PanelColumns;

// How the codes of a product lie along k.
struct Int4Depth {
  int64_t lines;
  int64_t group_lines;  // of every group but the last, which has those that are left
  int64_t groups;

  constexpr Int4Depth(int64_t k, int64_t group)
      : lines(k / kInt4Line + (k % kInt4Line == 0 ? 0 : 1)),
        group_lines(group / kInt4Line),
        groups(code_groups(k, group)) {}

  constexpr int64_t panel_bytes() const {
    return groups * kInt4ScaleBytes + lines * kInt4LineBytes;
  }

  // Of a row of A that is made ready. A block of rows has for each group the start of each row's sum,
  // each row's scale, and then lines of each row's codes, the last filled up with zeros.
  constexpr int64_t row_bytes() const {
    return groups * static_cast<int64_t>(sizeof(int32_t) + sizeof(float)) + lines * kInt4Line;
  }
};

constexpr int64_t int4_panel_count(int64_t columns) {
  return (columns + kInt4PanelColumns - 1) / kInt4PanelColumns;
}

// A number among bytes, at any place.
template <class T>
inline T read_as(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// The outputs of a block's rows and a panel's columns, before the bias.
struct Int4Tile {
  const uint8_t* rows;  // that were made ready
  int64_t count;        // of them, 1 to kInt4BlockRows
  const uint8_t* panel;
  Int4Depth depth;
  float* outputs;  // [count, kInt4PanelColumns]
};

using Int4Kernel = void (*)(const Int4Tile& tile);

// By AVX-512 VNNI; null where a target does not have it.
Int4Kernel int4_kernel_by_dots(namp_simd simd);

}  // namespace namp
