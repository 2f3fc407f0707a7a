// Products of one row and a transposed matrix, as of a linear layer and one token. The work is
// reading the matrix once: nothing is laid out for tiles.
#pragma once

#include <cstdint>

#include "cpu/block_gemm.h"
#include "nativeamp.h"

namespace namp {

// Columns of a part, at most: a thread's at a time.
inline constexpr int64_t kRowProductColumns = kBlockColumns;

// Whether a product is one.
inline bool is_row_product(const namp_gemm_args& args) {
  return args.m == 1 && args.batch == 1 && args.k > 0 && args.alpha != 0.0f &&
         args.transpose_a == 0 && args.transpose_b != 0;
}

// The row of A in float32.
void widen_row(namp_simd simd, const MatrixView& a, int64_t k, float* row);

// Columns of the output, no more than kRowProductColumns; b and output begin with the first.
void multiply_row(namp_simd simd, const float* row, const MatrixView& b, int64_t k, int64_t columns,
                  const ProductOutput& output);

}  // namespace namp
