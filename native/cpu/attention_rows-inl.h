// Rows of a head in scratch memory, in float32, products of them, and the exponential of scores.
#if defined(NAMP_CPU_ATTENTION_ROWS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_ATTENTION_ROWS_INL_H
#undef NAMP_CPU_ATTENTION_ROWS_INL_H
#else
#define NAMP_CPU_ATTENTION_ROWS_INL_H
#endif

#include <algorithm>
#include <type_traits>

#include "hwy/cache_control.h"

#include "cpu/attention.h"
#include "cpu/gemm_tile-inl.h"
#include "cpu/loop-inl.h"
#include "cpu/transpose-inl.h"
#include "formulas/math.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The offsets of the rows of a query head.
struct HeadOffsets {
  int64_t query;
  int64_t key;
  int64_t output;
  int64_t log_sum_exp;
};

HWY_INLINE HeadOffsets offsets_of(const namp_attention_args& args, int64_t head_index) {
  const int64_t batch = head_index / args.heads;
  const int64_t head = head_index % args.heads;
  const int64_t key_head = head / (args.heads / args.key_heads);
  return {batch * args.query_batch_stride + head * args.query_head_stride,
          batch * args.key_batch_stride + key_head * args.key_head_stride,
          batch * args.output_batch_stride + head * args.output_head_stride,
          head_index * args.query_time};
}

// e^x for an x that is positive only by rounding: exp (formulas/math.h) with fused multiply-adds as
// in the products around it, no subnormal results, and half the instructions. NaN gives NaN.
HWY_INLINE Lane exp_of_score(Lane x) {
  const LaneTag tag;
  const auto constant = [=](float value) NAMP_LANES { return hn::Set(tag, value); };
  const auto bounded = hn::Min(constant(88.0f), x.raw);  // a NaN passes as the second operand
  // Adding 1.5 * 2^23 rounds to an integer; with 127 more its low bits are the exponent of 2^n.
  const auto magic = constant(12582912.0f + 127.0f);
  const auto shifted = hn::MulAdd(bounded, constant(kLog2E), magic);
  const auto n = hn::Sub(shifted, magic);
  const auto r =
      hn::NegMulAdd(n, constant(kLn2Lower), hn::NegMulAdd(n, constant(kLn2Upper), bounded));
  auto p = hn::MulAdd(r, constant(kExp4), constant(kExp3));
  p = hn::MulAdd(r, p, constant(kExp2));
  p = hn::MulAdd(r, p, constant(kExp1));
  p = hn::MulAdd(r, p, constant(kExp0));
  const auto e = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), constant(1.0f));
  const auto power = hn::BitCast(tag, hn::ShiftLeft<23>(hn::BitCast(BitsTag(), shifted)));
  return Lane(hn::IfThenZeroElse(hn::Lt(x.raw, constant(-87.0f)), hn::Mul(e, power)));
}

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
  if constexpr (std::is_same_v<T, float>) {
    if (factor == 1.0f) return transpose(out.data, out.width, in, stride, count, head_dim);
  }
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
