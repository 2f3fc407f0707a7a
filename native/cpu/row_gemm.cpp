// Sums in float32, rounded once. The order of a sum depends on the target alone.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/row_gemm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/product_output-inl.h"

#include "cpu/row_gemm.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Products of a row with kColumns rows of b, each in two lanes: enough additions that do not wait
// for each other.
template <int64_t kColumns, class T>
HWY_INLINE void multiply_columns(const float* row, const T* b, int64_t stride, int64_t k,
                                 float* out) {
  const LaneTag tag;
  hn::Vec<LaneTag> even[kColumns];
  hn::Vec<LaneTag> odd[kColumns];
#pragma GCC unroll 4
  for (int64_t c = 0; c < kColumns; ++c)
    even[c] = odd[c] = hn::Zero(tag);
  int64_t i = 0;
  for (; i + 2 * kLanes <= k; i += 2 * kLanes) {
    const auto first = load(row + i).raw;
    const auto second = load(row + i + kLanes).raw;
#pragma GCC unroll 4
    for (int64_t c = 0; c < kColumns; ++c) {
      even[c] = hn::MulAdd(first, load(b + c * stride + i).raw, even[c]);
      odd[c] = hn::MulAdd(second, load(b + c * stride + i + kLanes).raw, odd[c]);
    }
  }
  for (; i < k; i += kLanes) {
    const int64_t rest = std::min(kLanes, k - i);
    const auto last = load_part(row + i, rest).raw;
#pragma GCC unroll 4
    for (int64_t c = 0; c < kColumns; ++c)
      even[c] = hn::MulAdd(last, load_part(b + c * stride + i, rest).raw, even[c]);
  }
#pragma GCC unroll 4
  for (int64_t c = 0; c < kColumns; ++c)
    out[c] = hn::GetLane(hn::SumOfLanes(tag, hn::Add(even[c], odd[c])));
}

void multiply_row_part(const float* row, const MatrixView& b, int64_t k, int64_t columns,
                       const ProductOutput& output) {
  float sums[kRowProductColumns];
  float bias[kRowProductColumns];
  with_element(b.dtype, [&](auto element) NAMP_LANES {
    const auto* data = static_cast<const typename decltype(element)::Type*>(b.data);
    const int64_t stride = b.column_stride;
    int64_t c = 0;
    for (; c + 4 <= columns; c += 4)
      multiply_columns<4>(row, data + c * stride, stride, k, sums + c);
    for (; c < columns; ++c)
      multiply_columns<1>(row, data + c * stride, stride, k, sums + c);
  });
  finish_block(sums, output, 1, columns, bias);
}

void widen_one_row(const MatrixView& a, int64_t k, float* row) {
  with_element(a.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    widen_rows(row, 0, static_cast<const T*>(a.data), 0, 1, k);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(multiply_row_part);
NAMP_SIMD_TABLE(widen_one_row);

void widen_row(namp_simd simd, const MatrixView& a, int64_t k, float* row) {
  widen_one_row_by_simd(simd)(a, k, row);
}

void multiply_row(namp_simd simd, const float* row, const MatrixView& b, int64_t k, int64_t columns,
                  const ProductOutput& output) {
  multiply_row_part_by_simd(simd)(row, b, k, columns, output);
}

}  // namespace namp
#endif
