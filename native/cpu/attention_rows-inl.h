// Rows of a head in scratch memory, in float32, and products of them.
#if defined(NAMP_CPU_ATTENTION_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_ATTENTION_ROWS_INL_H
#undef NAMP_CPU_ATTENTION_ROWS_INL_H
#else
#define NAMP_CPU_ATTENTION_ROWS_INL_H
#endif

#include <algorithm>

#include "hwy/cache_control.h"

#include "cpu/attention.h"
#include "cpu/gemm_tile-inl.h"
#include "cpu/loop-inl.h"
#include "cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// A row-major matrix of float32 in scratch memory.
struct Rows {
  float* data;
  int64_t width;

  float* row(int64_t index) const { return data + index * width; }
};

// Prefetches rows of a head: they lie a whole time step apart, which the hardware does not predict.
// It saves a sixth of the time of the forward pass, and nothing in the backward pass, which reads
// all of a head first.
template <class T>
HWY_INLINE void prefetch_rows(const T* rows, int64_t stride, int64_t count, int64_t head_dim) {
  constexpr int64_t kLine = 64;
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t d = 0; d < head_dim; d += kLine / static_cast<int64_t>(sizeof(T)))
      hwy::Prefetch(rows + r * stride + d);
  }
}

// out[r, :] = in[r, :], and zeros up to the width.
template <class T>
HWY_INLINE void widen_rows(const Rows& out, const T* in, int64_t stride, int64_t count,
                           int64_t head_dim) {
  for (int64_t r = 0; r < count; ++r) {
    map(
        out.row(r), head_dim, [](Lane x) NAMP_LANES { return x; }, in + r * stride);
    std::fill(out.row(r) + head_dim, out.row(r) + out.width, 0.0f);
  }
}

// out[d, r] = in[r, d] * factor, with zeros for the rows that a short block lacks.
template <class T>
HWY_INLINE void transpose_rows(const Rows& out, const T* in, int64_t stride, int64_t count,
                               int64_t head_dim, float factor, float* buffer) {
  if (count < kAttentionBlock) std::fill_n(out.data, head_dim * out.width, 0.0f);
  const Lane times(factor);
  for (int64_t r = 0; r < count; r += kAttentionBufferRows) {
    const int64_t some = std::min(kAttentionBufferRows, count - r);
    for (int64_t i = 0; i < some; ++i) {
      map(
          buffer + i * head_dim, head_dim, [=](Lane x) NAMP_LANES { return x * times; },
          in + (r + i) * stride);
    }
    transpose(out.data + r, out.width, buffer, head_dim, some, head_dim);
  }
}

// A matrix by its strides, as the left operand of a product.
struct Left {
  const float* data;
  int64_t row;
  int64_t depth;
};

HWY_INLINE Left as_is(const Rows& rows) { return {rows.data, rows.width, 1}; }
HWY_INLINE Left transposed(const Rows& rows) { return {rows.data, 1, rows.width}; }

// c[rows, columns] = [c +] a[rows, depth] b[depth, columns].
HWY_INLINE void product(const Rows& c, const Left& a, const Rows& b, int64_t rows, int64_t columns,
                        int64_t depth, bool accumulate) {
  const TileOperands operands{a.data, a.row, a.depth, b.data, b.width, depth};
  multiply_panels(operands, kTileColumns, c.data, c.width, rows, columns, accumulate);
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
