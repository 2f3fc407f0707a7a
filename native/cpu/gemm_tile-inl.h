// The inner loop of all our own matrix products: a tile of C is held in registers while k runs.
#if defined(NAMP_CPU_GEMM_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_GEMM_TILE_INL_H
#undef NAMP_CPU_GEMM_TILE_INL_H
#else
#define NAMP_CPU_GEMM_TILE_INL_H
#endif

#include "cpu/simd_lane-inl.h"
#include "cpu/tile_operands.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Columns of a tile: two vectors. Rows: as many as leave registers for B. AVX-512 has 32 registers,
// the other relevant targets 16.
inline constexpr int64_t kTileColumns = 2 * kLanes;
inline constexpr int64_t kTileRows = kLanes >= 16 ? 12 : 6;

// C[kRows, kVectors vectors] = [C +] A B of float32. Uses fused multiply-add if the machine has it: the
// bits of products are not promised.
template <int64_t kRows, int64_t kVectors = 2>
HWY_INLINE void multiply_tile(const TileOperands& operands, float* HWY_RESTRICT c, int64_t ldc,
                              bool accumulate) {
  constexpr bool kWide = kVectors == 2;
  const LaneTag tag;
  hn::Vec<LaneTag> left[kRows];
  hn::Vec<LaneTag> right[kRows];
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) {
    left[r] = accumulate ? hn::LoadU(tag, c + r * ldc) : hn::Zero(tag);
    if constexpr (kWide)
      right[r] = accumulate ? hn::LoadU(tag, c + r * ldc + kLanes) : hn::Zero(tag);
  }
  for (int64_t run = 0; run < operands.runs; ++run) {
    const float* HWY_RESTRICT a = static_cast<const float*>(operands.a) + operands.a_run(run);
    const float* HWY_RESTRICT b = static_cast<const float*>(operands.b) + operands.b_run(run);
    for (int64_t k = 0; k < operands.depth; ++k) {
      const auto b_left = hn::LoadU(tag, b);
      const auto b_right = kWide ? hn::LoadU(tag, b + kLanes) : b_left;
#pragma GCC unroll 16
      for (int64_t r = 0; r < kRows; ++r) {
        const auto scalar = hn::Set(tag, a[r * operands.a_row]);
        left[r] = hn::MulAdd(scalar, b_left, left[r]);
        if constexpr (kWide) right[r] = hn::MulAdd(scalar, b_right, right[r]);
      }
      a += operands.a_depth;
      b += operands.b_depth;
    }
  }
#pragma GCC unroll 16
  for (int64_t r = 0; r < kRows; ++r) {
    hn::StoreU(left[r], tag, c + r * ldc);
    if constexpr (kWide) hn::StoreU(right[r], tag, c + r * ldc + kLanes);
  }
}

// Calls body(row, count) for the rows of tiles; count is an integral constant.
template <class Body>
HWY_INLINE void for_tile_rows(int64_t rows, Body&& body) {
  int64_t row = 0;
  const auto next = [&](auto count) NAMP_LANES {
    body(row, count);
    row += count;
  };
  while (row + kTileRows <= rows)
    next(std::integral_constant<int64_t, kTileRows>{});
  while (row + 8 <= rows && kTileRows > 8)
    next(std::integral_constant<int64_t, 8>{});
  while (row + 4 <= rows)
    next(std::integral_constant<int64_t, 4>{});
  while (row < rows)
    next(std::integral_constant<int64_t, 1>{});
}

// C[rows, columns] = [C +] A B for any rows, with columns rounded up to kTileColumns: B and C have
// memory for that many. Panels of kTileColumns of B lie b_panel apart.
HWY_INLINE void multiply_panels(TileOperands operands, int64_t b_panel, float* c, int64_t ldc,
                                int64_t rows, int64_t columns, bool accumulate) {
  const auto* a = static_cast<const float*>(operands.a);
  const auto* b = static_cast<const float*>(operands.b);
  for (int64_t column = 0; column < columns; column += kTileColumns, b += b_panel) {
    operands.b = b;
    for_tile_rows(rows, [&](int64_t row, auto count) NAMP_LANES {
      operands.a = a + row * operands.a_row;
      multiply_tile<decltype(count)::value>(operands, c + row * ldc + column, ldc, accumulate);
    });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
