// The end of a product: float32 sums become the output's elements, with bias and activation.
#if defined(NAMP_CPU_PRODUCT_OUTPUT_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_PRODUCT_OUTPUT_INL_H
#undef NAMP_CPU_PRODUCT_OUTPUT_INL_H
#else
#define NAMP_CPU_PRODUCT_OUTPUT_INL_H
#endif

#include "cpu/block_gemm.h"
#include "cpu/loop-inl.h"
#include "formulas/activation.h"
#include "lists/activations.h"

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

HWY_INLINE Lane activate(Lane x, namp_activation activation) {
  switch (activation) {
#define NAMP_CASE(VALUE, Formula, ...) \
  case VALUE:                          \
    return Formula::forward(x);
    NAMP_FOR_EACH_FUSED_ACTIVATION(NAMP_CASE)
#undef NAMP_CASE
    default:
      return x;
  }
}

// Whether a row of the output bypasses the cache: it has whole cache lines.
template <class T>
HWY_INLINE bool row_streams(const ProductOutput& output, const T* row, int64_t columns) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  return output.streams && columns % kLine == 0 && reinterpret_cast<uintptr_t>(row) % 64 == 0;
}

// Rows of the product lie kBlockColumns apart.
template <class T>
HWY_INLINE void finish_rows(const float* product, const float* bias, const ProductOutput& output,
                            int64_t rows, int64_t columns) {
  const Lane alpha(output.alpha);
  const Lane beta(output.beta);
  // The usual output of a gradient is only rounded.
  const bool rounded = output.alpha == 1.0f && output.beta == 0.0f && bias == nullptr &&
                       output.pre_activation == nullptr &&
                       output.activation == NAMP_ACTIVATION_NONE;
  for (int64_t row = 0; row < rows; ++row) {
    const float* in = product + row * kBlockColumns;
    T* out = static_cast<T*>(output.c) + row * output.ldc;
    const bool streams = row_streams(output, out, columns);
    if (rounded && streams) {
      for_lanes(columns, [=](int64_t i, auto part)
                             NAMP_LANES { stream(load(in + i, part), out + i, part); });
      continue;
    }
    if (rounded) {
      map(
          out, columns, [](Lane x) NAMP_LANES { return x; }, in);
      continue;
    }
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
      x = activate(x, output.activation);
      if (streams) {
        stream(x, out + i, part);
      } else {
        store(x, out + i, part);
      }
    });
  }
}

// The bias of some rows or columns as float32 in buffer; null without one.
HWY_INLINE const float* widen_bias(const ProductOutput& output, int64_t rows, int64_t columns,
                                   float* buffer) {
  if (output.bias == nullptr) return nullptr;
  with_element(output.bias_dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    const T* in = static_cast<const T*>(output.bias);
    widen_rows(buffer, 0, in, 0, 1, output.bias_by_row ? rows : columns);
  });
  return buffer;
}

// The output of a block of sums. buffer has kBlockColumns floats.
HWY_INLINE void finish_block(const float* product, const ProductOutput& output, int64_t rows,
                             int64_t columns, float* buffer) {
  const float* bias = widen_bias(output, rows, columns, buffer);
  with_element(output.dtype, [&](auto element) HWY_ATTR {
    using T = typename decltype(element)::Type;
    finish_rows<T>(product, bias, output, rows, columns);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
