// Matrix products of our own, on one thread: any dtype, any strides, widened block by block to
// float32, accumulated in float32 and rounded once. What oneDNN does not do (float16, or its
// absence) is built on this.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

// Element (row, column) of a matrix is data[row * row_stride + column * column_stride].
struct MatrixView {
  const void* data;
  namp_dtype dtype;
  int64_t row_stride;
  int64_t column_stride;
};

// The same matrix from another element on.
MatrixView part_of(const MatrixView& matrix, int64_t row, int64_t column);

// Where a product goes: C = activation(alpha * product + beta * C + bias), what the activation is
// applied to into pre_activation.
struct ProductOutput {
  void* c;
  namp_dtype dtype;
  int64_t ldc;
  float alpha = 1.0f;
  float beta = 0.0f;           // with 0, C is not read
  const void* bias = nullptr;  // one a column; or one a row, with bias_by_row
  bool bias_by_row = false;
  namp_dtype bias_dtype = NAMP_FLOAT32;
  namp_activation activation = NAMP_ACTIVATION_NONE;
  void* pre_activation = nullptr;  // dtype and ldc as c
};

ProductOutput part_of(const ProductOutput& output, int64_t row, int64_t column);

// Blocks of A, B and C together fit into a core's second-level cache.
inline constexpr int64_t kBlockRows = 240;
inline constexpr int64_t kBlockColumns = 256;
inline constexpr int64_t kBlockDepth = 256;

// Every target's tile has a number of rows that divides this, and of columns.
inline constexpr int64_t kRowGranule = 12;
inline constexpr int64_t kColumnGranule = 32;

// Columns of a transposed B that are widened before they are laid out.
inline constexpr int64_t kPackedColumns = 4;

// Scratch memory of one product.
inline constexpr int64_t kProductScratchBytes =
    (kBlockRows * kBlockDepth + kBlockDepth * kBlockColumns + kBlockRows * kBlockColumns +
     kBlockColumns + kPackedColumns * kBlockDepth) *
    static_cast<int64_t>(sizeof(float));

// The product of a [m, k] and b [k, n]; k may be 0.
void multiply(namp_simd simd, int64_t m, int64_t n, int64_t k, const MatrixView& a,
              const MatrixView& b, const ProductOutput& output, void* scratch);

}  // namespace namp
