#include "cpu/block_gemm.h"

#include <algorithm>
#include <type_traits>

#include "cpu/pair_tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/block_gemm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/gemm_tile-inl.h"
#include "cpu/pair_blocks-inl.h"
#include "cpu/product_output-inl.h"
#include "cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// A block of A, widened in the order of memory: a tile broadcasts its elements, so either order
// works. Rows of float32 are read where they are.
template <class T>
HWY_INLINE void pack_a(TileOperands& operands, float* out, const MatrixView& a, int64_t rows,
                       int64_t depth, bool packed) {
  const T* in = static_cast<const T*>(a.data);
  operands.a = out;
  if (std::is_same_v<T, float> && a.column_stride == 1 && !share_places(a.row_stride)) {
    operands.a = in;
    operands.a_row = a.row_stride;
    operands.a_depth = 1;
  } else if (a.column_stride == 1) {
    if (!packed) widen_rows(out, kBlockDepth, in, a.row_stride, rows, depth);
    operands.a_row = kBlockDepth;
    operands.a_depth = 1;
  } else {
    if (!packed) widen_rows(out, kBlockRows, in, a.column_stride, depth, rows);
    operands.a_row = 1;
    operands.a_depth = kBlockRows;
  }
}

// A block of B in panels: kTileColumns columns, depth rows, one after the other. The last panel is
// padded with zeros.
template <class T>
HWY_INLINE void pack_b(float* out, float* columns_buffer, const MatrixView& b, int64_t depth,
                       int64_t columns) {
  const T* in = static_cast<const T*>(b.data);
  for (int64_t first = 0; first < columns; first += kTileColumns, out += depth * kTileColumns) {
    const int64_t count = std::min(kTileColumns, columns - first);
    if (count < kTileColumns) std::fill_n(out, depth * kTileColumns, 0.0f);
    if (b.column_stride == 1) {
      widen_rows(out, kTileColumns, in + first, b.row_stride, depth, count);
      continue;
    }
    if constexpr (std::is_same_v<T, float>) {
      transpose(out, kTileColumns, in + first * b.column_stride, b.column_stride, count, depth);
      continue;
    }
    for (int64_t column = 0; column < count; column += kPackedColumns) {
      const int64_t some = std::min(kPackedColumns, count - column);
      widen_rows(columns_buffer, kBlockDepth, in + (first + column) * b.column_stride,
                 b.column_stride, some, depth);
      transpose(out + column, kTileColumns, columns_buffer, kBlockDepth, some, depth);
    }
  }
}

// The blocks in scratch memory. Their elements are float32, or pairs of bfloat16.
struct Blocks {
  explicit Blocks(void* scratch)
      : a(static_cast<float*>(scratch)),
        b(a + kBlockRows * kPairStride),
        c(b + kPairDepth * kBlockColumns),
        bias(c + kBlockRows * kBlockColumns),
        columns(bias + kBlockColumns) {}

  float* a;
  float* b;
  float* c;
  float* bias;
  float* columns;
};

// Which blocks were laid out for the product before, and stay.
struct Packed {
  bool a;
  bool b;
};

// C = [C +] A B for a block, of any dtypes, widened.
HWY_INLINE void multiply_widened(const Blocks& blocks, const MatrixView& a, const MatrixView& b,
                                 int64_t rows, int64_t columns, int64_t depth, Packed packed,
                                 bool accumulate) {
  TileOperands operands{};
  operands.depth = depth;
  with_element(a.dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    pack_a<T>(operands, blocks.a, a, rows, depth, packed.a);
    if (!packed.b) pack_b<T>(blocks.b, blocks.columns, b, depth, columns);
  });
  operands.b = blocks.b;
  operands.b_depth = kTileColumns;
  multiply_panels(operands, depth * kTileColumns, blocks.c, kBlockColumns, rows, columns,
                  accumulate);
}

// Whether tiles can read rows of pairs of A where they are: whole ones, in whole tiles.
HWY_INLINE bool has_pairs_in_place(const MatrixView& a, int64_t rows, int64_t depth,
                                   int64_t units) {
  return a.column_stride == 1 && a.row_stride % 2 == 0 && !share_places(a.row_stride / 2) &&
         rows % kPairRows == 0 && depth == 2 * units;
}

// The same for bfloat16, by pairs.
HWY_INLINE void multiply_pairs(const PairTiles& tiles, const Blocks& blocks, const MatrixView& a,
                               const MatrixView& b, int64_t rows, int64_t columns, int64_t depth,
                               Packed packed, bool accumulate) {
  const int64_t units = tiles.padded_depth((depth + 1) / 2);
  TileOperands operands{blocks.a, kPairStride, 1, blocks.b, kPairColumns, units};
  if (has_pairs_in_place(a, rows, depth, units)) {
    operands.a = a.data;
    operands.a_row = a.row_stride / 2;
  } else if (!packed.a) {
    pack_pairs_a(blocks.a, blocks.columns, a, rows, depth, units);
  }
  if (!packed.b) pack_pairs_b(blocks.b, blocks.columns, b, depth, columns, units);
  tiles.multiply(operands, units * kPairColumns, blocks.c, kBlockColumns, rows, columns,
                 accumulate);
}

HWY_NOINLINE void multiply_blocks(const PairTiles* pairs, int64_t m, int64_t n, int64_t k,
                                  const MatrixView& a, const MatrixView& b,
                                  const ProductOutput& output, void* scratch) {
  const Blocks blocks(scratch);
  const int64_t block_depth = pairs == nullptr ? kBlockDepth : 2 * kPairDepth;
  for (int64_t column = 0; column < n; column += kBlockColumns) {
    const int64_t columns = std::min(kBlockColumns, n - column);
    for (int64_t row = 0; row < m; row += kBlockRows) {
      const int64_t rows = std::min(kBlockRows, m - row);
      if (k == 0) std::fill_n(blocks.c, rows * kBlockColumns, 0.0f);
      for (int64_t begin = 0; begin < k; begin += block_depth) {
        const int64_t depth = std::min(block_depth, k - begin);
        const MatrixView a_part = part_of(a, row, begin);
        const MatrixView b_part = part_of(b, begin, column);
        // A single block of depth stays, of A with a single one of rows.
        const Packed packed{column > 0 && m <= kBlockRows && k <= block_depth,
                            row > 0 && k <= block_depth};
        if (pairs == nullptr) {
          multiply_widened(blocks, a_part, b_part, rows, columns, depth, packed, begin > 0);
        } else {
          multiply_pairs(*pairs, blocks, a_part, b_part, rows, columns, depth, packed, begin > 0);
        }
      }
      finish_block(blocks.c, part_of(output, row, column), rows, columns, blocks.bias);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

NAMP_SIMD_TABLE(multiply_blocks);

}  // namespace

MatrixView part_of(const MatrixView& matrix, int64_t row, int64_t column) {
  const int64_t index = row * matrix.row_stride + column * matrix.column_stride;
  MatrixView part = matrix;
  part.data = static_cast<const char*>(matrix.data) + index * dtype_size(matrix.dtype);
  return part;
}

ProductOutput part_of(const ProductOutput& output, int64_t row, int64_t column) {
  const int64_t offset = (row * output.ldc + column) * dtype_size(output.dtype);
  ProductOutput part = output;
  part.c = static_cast<char*>(output.c) + offset;
  if (output.pre_activation != nullptr) {
    part.pre_activation = static_cast<char*>(output.pre_activation) + offset;
  }
  if (output.bias != nullptr) {
    const int64_t index = output.bias_by_row ? row : column;
    part.bias = static_cast<const char*>(output.bias) + index * dtype_size(output.bias_dtype);
  }
  return part;
}

void block_gemm(namp_simd simd, int64_t m, int64_t n, int64_t k, const MatrixView& a,
                const MatrixView& b, const ProductOutput& output, void* scratch) {
  const bool bfloat16 = a.dtype == NAMP_BFLOAT16 && b.dtype == NAMP_BFLOAT16;
  multiply_blocks_by_simd(simd)(bfloat16 ? pair_tiles(simd, k) : nullptr, m, n, k, a, b, output,
                                scratch);
}

}  // namespace namp
#endif
