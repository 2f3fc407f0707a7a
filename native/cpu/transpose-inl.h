// Transposing float32 matrices: four rows at a time in registers, four elements a store.
#if defined(NAMP_CPU_TRANSPOSE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_TRANSPOSE_INL_H
#undef NAMP_CPU_TRANSPOSE_INL_H
#else
#define NAMP_CPU_TRANSPOSE_INL_H
#endif

#include <cstring>

#include "cpu/simd_lane-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// out[c * out_stride + r] = in[r * in_stride + c] for r < rows and c < columns.
HWY_INLINE void transpose(float* HWY_RESTRICT out, int64_t out_stride, const float* HWY_RESTRICT in,
                          int64_t in_stride, int64_t rows, int64_t columns) {
  int64_t row = 0;
#if HWY_TARGET != HWY_SCALAR
  const LaneTag tag;
  for (; row + 4 <= rows; row += 4) {
    const float* from = in + row * in_stride;
    float* to = out + row;
    int64_t column = 0;
    for (; column + kLanes <= columns; column += kLanes, from += kLanes) {
      const auto a = hn::LoadU(tag, from);
      const auto b = hn::LoadU(tag, from + in_stride);
      const auto c = hn::LoadU(tag, from + 2 * in_stride);
      const auto d = hn::LoadU(tag, from + 3 * in_stride);
      // Within each block of four columns.
      const auto ac_low = hn::InterleaveLower(tag, a, c);
      const auto ac_high = hn::InterleaveUpper(tag, a, c);
      const auto bd_low = hn::InterleaveLower(tag, b, d);
      const auto bd_high = hn::InterleaveUpper(tag, b, d);
      HWY_ALIGN float blocks[4 * kLanes];
      hn::Store(hn::InterleaveLower(tag, ac_low, bd_low), tag, blocks);
      hn::Store(hn::InterleaveUpper(tag, ac_low, bd_low), tag, blocks + kLanes);
      hn::Store(hn::InterleaveLower(tag, ac_high, bd_high), tag, blocks + 2 * kLanes);
      hn::Store(hn::InterleaveUpper(tag, ac_high, bd_high), tag, blocks + 3 * kLanes);
#pragma GCC unroll 16
      for (int64_t i = 0; i < kLanes; ++i, to += out_stride)
        std::memcpy(to, blocks + i % 4 * kLanes + i / 4 * 4, 4 * sizeof(float));
    }
    for (; column < columns; ++column, ++from, to += out_stride) {
      for (int64_t r = 0; r < 4; ++r)
        to[r] = from[r * in_stride];
    }
  }
#endif
  for (; row < rows; ++row) {
    for (int64_t column = 0; column < columns; ++column)
      out[column * out_stride + row] = in[row * in_stride + column];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
