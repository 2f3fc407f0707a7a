// Tiles of products of bfloat16: the two instructions that multiply pairs and add them to float32.
#pragma once

#include <cstdint>

#include "cpu/tile_operands.h"
#include "nativeamp.h"

namespace namp {

// Columns of a panel of B.
inline constexpr int64_t kPairColumns = 32;

// Rows of A are multiples of this in memory, and so are the rows that C has memory for.
inline constexpr int64_t kPairRows = 16;

// Whether a convolution's panels are as wide as these tiles: those of kernels for AVX-512, which run where
// its instructions for pairs do, but which sanitized builds lack (simd_source.h).
#if defined(NAMP_SANITIZED)
inline constexpr bool kPanelsFitPairs = false;
#else
inline constexpr bool kPanelsFitPairs = true;
#endif

struct PairTiles {
  // C[rows, columns] = [C +] A B, with columns rounded up to kPairColumns and rows to kPairRows: A,
  // B and C have memory for that many. Panels of B lie b_panel units apart. The depth is a multiple of
  // the granule. Unless A may lie anyhow, a_depth is 1 and its runs follow each other.
  //
  // The instructions round to nearest even, take subnormal numbers for zeros and make zeros of
  // subnormal sums, in any floating-point mode of the thread ("Intel 64 and IA-32 Architectures
  // Software Developer's Manual", volume 2, VDPBF16PS and TDPBF16PS).
  void (*multiply)(const TileOperands& operands, int64_t b_panel, float* c, int64_t ldc,
                   int64_t rows, int64_t columns, bool accumulate);
  int64_t depth_granule;  // in units
  bool a_lies_anyhow;

  int64_t padded_depth(int64_t units) const {
    return (units + depth_granule - 1) / depth_granule * depth_granule;
  }
};

// The tiles of a target for sums of this many elements in a run; null where widening to float32 is
// faster, or all that there is.
const PairTiles* pair_tiles(namp_simd simd, int64_t depth);

}  // namespace namp
