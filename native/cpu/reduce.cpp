// Sums and maxima over a tensor's middle dimension. Results depend neither on the SIMD target nor on the number
// of threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/reduce.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "cpu/reduce-inl.h"
#include "formulas/functions.h"

#include <algorithm>
#include <limits>

#include "cpu/cpu_backend.h"
#include "strided.h"

#ifndef NAMP_CPU_REDUCE_CPP
#define NAMP_CPU_REDUCE_CPP
namespace namp {
inline constexpr int64_t kReduceStrip = 2048;  // columns: 8 KiB of results, which stay in L1
}
#endif

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

inline constexpr int64_t kBlockRows = 64;  // rows that are added by themselves

// Also of NaN.
struct LargestOf {
  static constexpr float kNeutral = -std::numeric_limits<float>::infinity();
  HWY_INLINE Lane operator()(Lane a, Lane b) const { return maximum(a, b); }
};

template <class In>
void sum_strip(const In* in, int64_t rows, int64_t stride, int64_t columns, float* sums) {
  alignas(64) float block[kReduceStrip];
  std::fill_n(sums, columns, 0.0f);
  for (int64_t row = 0; row < rows; row += kBlockRows) {
    std::fill_n(block, columns, 0.0f);
    add_rows(block, in + row * stride, std::min(kBlockRows, rows - row), stride, columns);
    map(
        sums, columns, [](Lane a, Lane b) NAMP_LANES { return a + b; }, sums, block);
  }
}

template <class In>
void max_strip(const In* in, int64_t rows, int64_t stride, int64_t columns, float* largest) {
  if (columns == 1 && stride == 1) {
    *largest = reduce_one(rows, LargestOf(),
                          [=](int64_t i, auto part) NAMP_LANES { return load(in + i, part); });
    return;
  }
  std::fill_n(largest, columns, LargestOf::kNeutral);
  for (int64_t row = 0; row < rows; ++row) {
    map(
        largest, columns, [](Lane a, Lane b) NAMP_LANES { return maximum(a, b); }, largest,
        in + row * stride);
  }
}

// Columns from a first one on of an outer index.
void reduce_strip(const namp_reduce_args& args, int64_t outer, int64_t first) {
  alignas(64) float results[kReduceStrip];
  const int64_t columns = std::min(kReduceStrip, args.inner - first);
  const bool sums = args.reduction == NAMP_REDUCTION_SUM;
  with_element(args.in_dtype, [&](auto element) NAMP_LANES {
    const auto* in = static_cast<const typename decltype(element)::Type*>(args.in) +
                     outer * args.count * args.inner + first;
    if (sums) {
      sum_strip(in, args.count, args.inner, columns, results);
    } else {
      max_strip(in, args.count, args.inner, columns, results);
    }
  });
  with_element(args.out_dtype, [&](auto element) NAMP_LANES {
    auto* out =
        static_cast<typename decltype(element)::Type*>(args.out) + outer * args.inner + first;
    const Lane alpha = sums ? args.alpha : 1.0f;
    if (args.accumulate != 0) {
      map(
          out, columns, [=](Lane x, Lane old) NAMP_LANES { return alpha * x + old; }, results, out);
    } else {
      map(
          out, columns, [=](Lane x) NAMP_LANES { return alpha * x; }, results);
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(reduce_strip);

void CpuBackend::reduce(const namp_reduce_args& args, namp_stream stream) {
  if (args.reduction == NAMP_REDUCTION_SUM && (args.outer == 1 || args.inner == 1))
    return sum(columns_or_rows(args), stream);
  const auto strip = reduce_strip_by_simd(simd_);
  const int64_t width = kReduceStrip;
  const int64_t strips = (args.inner + width - 1) / width;
  const int64_t elements = std::max<int64_t>(1, args.count * std::min(width, args.inner));
  const int64_t grain = std::max<int64_t>(1, kChunkElements / elements);
  threads_.parallel_for(args.outer * strips, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task)
      strip(args, task / strips, task % strips * width);
  });
}

}  // namespace namp
#endif
