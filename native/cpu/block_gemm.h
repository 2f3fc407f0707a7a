// Our own matrix products on one thread: any dtype, widened block by block to float32, or bfloat16
// in pairs where the machine multiplies them; accumulated in float32 and rounded once. They are
// used for float16, and for everything without oneDNN.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

// Of numbers that are not negative.
constexpr int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

// Whether rows that lie this many floats apart fall on few places of the first-level cache.
constexpr bool share_places(int64_t row_stride) { return row_stride % 512 == 0; }

// Element (row, column) of a matrix is data[row * row_stride + column * column_stride]. One of the
// strides is 1.
struct MatrixView {
  const void* data;
  namp_dtype dtype;
  int64_t row_stride;
  int64_t column_stride;
};

// The part of a matrix that begins at another element.
MatrixView part_of(const MatrixView& matrix, int64_t row, int64_t column);

// The output of a product: C = activation(alpha * product + beta * C + bias). pre_activation
// receives the activation's input.
struct ProductOutput {
  void* c;
  namp_dtype dtype;
  int64_t ldc;
  float alpha = 1.0f;
  float beta = 0.0f;           // with 0, C is not read
  const void* bias = nullptr;  // one for each column; with bias_by_row, one for each row
  bool bias_by_row = false;
  namp_dtype bias_dtype = NAMP_FLOAT32;
  namp_activation activation = NAMP_ACTIVATION_NONE;
  void* pre_activation = nullptr;  // dtype and ldc as c
  // Whether C bypasses the cache (cpu/streaming.h): then the caller ends with hwy::FlushStream.
  bool streams = false;
};

ProductOutput part_of(const ProductOutput& output, int64_t row, int64_t column);

// Blocks of A, B and C together fit into a core's second-level cache.
inline constexpr int64_t kBlockRows = 240;
inline constexpr int64_t kBlockColumns = 256;
inline constexpr int64_t kBlockDepth = 256;

// Blocks of pairs are deeper: their products take so little time that C's way to memory and back
// counts. Rows of A lie an odd number of cache lines apart, so that a tile's are not all in few
// places of the first-level cache.
inline constexpr int64_t kPairDepth = 512;
inline constexpr int64_t kPairStride = kPairDepth + 16;

// The numbers of rows and columns of every target's tile divide this; pairs have other rows.
inline constexpr int64_t kRowGranule = 12;
inline constexpr int64_t kPairRowGranule = 32;
inline constexpr int64_t kColumnGranule = 32;

// Columns of a transposed B that are widened before they are laid out.
inline constexpr int64_t kPackedColumns = 16;

// Scratch memory of one product.
inline constexpr int64_t kProductScratchBytes =
    (kBlockRows * kPairStride + kPairDepth * kBlockColumns + kBlockRows * kBlockColumns +
     kBlockColumns + kPackedColumns * kPairDepth) *
    static_cast<int64_t>(sizeof(float));

// The product of a [m, k] and b [k, n]; k may be 0.
void block_gemm(namp_simd simd, int64_t m, int64_t n, int64_t k, const MatrixView& a,
                const MatrixView& b, const ProductOutput& output, void* scratch);

}  // namespace namp
