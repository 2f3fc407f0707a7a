#include "cpu/block_gemm.h"

#include <algorithm>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/block_gemm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/gemm_tile-inl.h"
#include "cpu/transpose-inl.h"
#include "formulas/activation.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Rows of contiguous elements, widened: out[row * out_stride + i].
template <class T>
HWY_INLINE void widen_rows(float* out, int64_t out_stride, const T* in, int64_t in_stride,
                           int64_t rows, int64_t count) {
  for (int64_t row = 0; row < rows; ++row) {
    map(
        out + row * out_stride, count, [](Lane x) NAMP_LANES { return x; }, in + row * in_stride);
  }
}

// A block of A, widened in the order of memory: a tile broadcasts its elements, so either order
// works.
template <class T>
HWY_INLINE void pack_a(TileOperands& operands, float* out, const MatrixView& a, int64_t rows,
                       int64_t depth) {
  const T* in = static_cast<const T*>(a.data);
  operands.a = out;
  if (a.column_stride == 1) {
    widen_rows(out, kBlockDepth, in, a.row_stride, rows, depth);
    operands.a_row = kBlockDepth;
    operands.a_depth = 1;
  } else if (a.row_stride == 1) {
    widen_rows(out, kBlockRows, in, a.column_stride, depth, rows);
    operands.a_row = 1;
    operands.a_depth = kBlockRows;
  } else {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t k = 0; k < depth; ++k) {
        widen_rows(out + row * kBlockDepth + k, 1, in + row * a.row_stride + k * a.column_stride, 1,
                   1, 1);
      }
    }
    operands.a_row = kBlockDepth;
    operands.a_depth = 1;
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
    for (int64_t column = 0; column < count; column += kPackedColumns) {
      const int64_t some = std::min(kPackedColumns, count - column);
      const T* source = in + (first + column) * b.column_stride;
      if (b.row_stride == 1) {
        widen_rows(columns_buffer, kBlockDepth, source, b.column_stride, some, depth);
      } else {
        for (int64_t i = 0; i < some; ++i) {
          for (int64_t k = 0; k < depth; ++k) {
            widen_rows(columns_buffer + i * kBlockDepth + k, 0,
                       source + i * b.column_stride + k * b.row_stride, 0, 1, 1);
          }
        }
      }
      transpose(out + column, kTileColumns, columns_buffer, kBlockDepth, some, depth);
    }
  }
}

HWY_INLINE Lane activate(Lane x, namp_activation activation) {
  switch (activation) {
    case NAMP_ACTIVATION_RELU:
      return Relu::forward(x);
    case NAMP_ACTIVATION_GELU:
      return Gelu::forward(x);
    case NAMP_ACTIVATION_GELU_TANH:
      return GeluTanh::forward(x);
    default:
      return x;
  }
}

template <class T>
HWY_INLINE void finish_rows(const float* product, const float* bias, const ProductOutput& output,
                            int64_t rows, int64_t columns) {
  const Lane alpha(output.alpha);
  const Lane beta(output.beta);
  for (int64_t row = 0; row < rows; ++row) {
    const float* in = product + row * kBlockColumns;
    T* out = static_cast<T*>(output.c) + row * output.ldc;
    T* before = output.pre_activation == nullptr
                    ? nullptr
                    : static_cast<T*>(output.pre_activation) + row * output.ldc;
    for_lanes(columns, [&](int64_t i, auto part) NAMP_LANES {
      Lane x = load(in + i, part) * alpha;
      if (output.beta != 0.0f) x = x + beta * load(out + i, part);
      if (bias != nullptr) x = x + (output.bias_by_row ? Lane(bias[row]) : load(bias + i, part));
      if (before != nullptr) {
        store(x, before + i, part);
        x = load(before + i, part);  // backward reads the activation's input
      }
      store(activate(x, output.activation), out + i, part);
    });
  }
}

HWY_NOINLINE void multiply_blocks(int64_t m, int64_t n, int64_t k, const MatrixView& a,
                                  const MatrixView& b, const ProductOutput& output, void* scratch) {
  float* const a_block = static_cast<float*>(scratch);
  float* const b_block = a_block + kBlockRows * kBlockDepth;
  float* const c_block = b_block + kBlockDepth * kBlockColumns;
  float* const bias_block = c_block + kBlockRows * kBlockColumns;
  float* const columns_buffer = bias_block + kBlockColumns;
  for (int64_t column = 0; column < n; column += kBlockColumns) {
    const int64_t columns = std::min(kBlockColumns, n - column);
    for (int64_t row = 0; row < m; row += kBlockRows) {
      const int64_t rows = std::min(kBlockRows, m - row);
      if (k == 0) std::fill_n(c_block, rows * kBlockColumns, 0.0f);
      for (int64_t begin = 0; begin < k; begin += kBlockDepth) {
        const int64_t depth = std::min(kBlockDepth, k - begin);
        TileOperands operands{};
        operands.depth = depth;
        with_element(a.dtype, [&](auto element) HWY_ATTR {
          using T = typename decltype(element)::Type;
          pack_a<T>(operands, a_block, part_of(a, row, begin), rows, depth);
          // A single block of depth stays in place for all rows.
          if (row == 0 || k > kBlockDepth) {
            pack_b<T>(b_block, columns_buffer, part_of(b, begin, column), depth, columns);
          }
        });
        operands.b = b_block;
        operands.b_depth = kTileColumns;
        multiply_panels(operands, depth * kTileColumns, c_block, kBlockColumns, rows, columns,
                        begin > 0);
      }
      const float* bias = nullptr;
      if (output.bias != nullptr) {
        with_element(output.bias_dtype, [&](auto element) HWY_ATTR {
          using T = typename decltype(element)::Type;
          const T* in = static_cast<const T*>(output.bias) + (output.bias_by_row ? row : column);
          widen_rows(bias_block, 0, in, 0, 1, output.bias_by_row ? rows : columns);
        });
        bias = bias_block;
      }
      const ProductOutput part = part_of(output, row, column);
      with_element(output.dtype, [&](auto element) HWY_ATTR {
        using T = typename decltype(element)::Type;
        finish_rows<T>(c_block, bias, part, rows, columns);
      });
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

void multiply(namp_simd simd, int64_t m, int64_t n, int64_t k, const MatrixView& a,
              const MatrixView& b, const ProductOutput& output, void* scratch) {
  multiply_blocks_by_simd(simd)(m, n, k, a, b, output, scratch);
}

}  // namespace namp
#endif
