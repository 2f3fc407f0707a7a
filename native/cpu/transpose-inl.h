// Transposing float32 matrices: in registers, with AVX-512 sixteen rows at a time, else four with four
// elements a store.
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

#if HWY_TARGET != HWY_SCALAR
// Of four rows and a vector's columns: columns[j] has, for each block of four columns, the rows of its
// column j.
HWY_INLINE void transpose_blocks(hn::Vec<LaneTag> (&columns)[4], const float* HWY_RESTRICT in,
                                 int64_t in_stride) {
  const LaneTag tag;
  const auto a = hn::LoadU(tag, in);
  const auto b = hn::LoadU(tag, in + in_stride);
  const auto c = hn::LoadU(tag, in + 2 * in_stride);
  const auto d = hn::LoadU(tag, in + 3 * in_stride);
  const auto ac_low = hn::InterleaveLower(tag, a, c);
  const auto ac_high = hn::InterleaveUpper(tag, a, c);
  const auto bd_low = hn::InterleaveLower(tag, b, d);
  const auto bd_high = hn::InterleaveUpper(tag, b, d);
  columns[0] = hn::InterleaveLower(tag, ac_low, bd_low);
  columns[1] = hn::InterleaveUpper(tag, ac_low, bd_low);
  columns[2] = hn::InterleaveLower(tag, ac_high, bd_high);
  columns[3] = hn::InterleaveUpper(tag, ac_high, bd_high);
}
#endif

#if HWY_TARGET == HWY_AVX3
// out[c * out_stride + r] = in[r * in_stride + c] for 16 rows and columns.
HWY_INLINE void transpose_16(float* HWY_RESTRICT out, int64_t out_stride,
                             const float* HWY_RESTRICT in, int64_t in_stride) {
  const LaneTag tag;
  // blocks[i][j]: of the four rows from 4 i on, a block of them for each column 4 * block + j.
  hn::Vec<LaneTag> blocks[4][4];
#pragma GCC unroll 4
  for (int64_t i = 0; i < 4; ++i)
    transpose_blocks(blocks[i], in + 4 * i * in_stride, in_stride);
    // The blocks of a column are brought together.
#pragma GCC unroll 4
  for (int64_t j = 0; j < 4; ++j) {
    const auto lower = [&](int64_t even, int64_t odd) NAMP_LANES {
      return hn::ConcatLowerLower(tag, blocks[odd][j], blocks[even][j]);
    };
    const auto upper = [&](int64_t even, int64_t odd) NAMP_LANES {
      return hn::ConcatUpperUpper(tag, blocks[odd][j], blocks[even][j]);
    };
    float* to = out + j * out_stride;
    const auto store_two = [&](auto even, auto odd) NAMP_LANES {
      hn::StoreU(hn::OddEvenBlocks(hn::SwapAdjacentBlocks(odd), even), tag, to);
      hn::StoreU(hn::OddEvenBlocks(odd, hn::SwapAdjacentBlocks(even)), tag, to + 4 * out_stride);
      to += 8 * out_stride;
    };
    store_two(lower(0, 2), lower(1, 3));
    store_two(upper(0, 2), upper(1, 3));
  }
}
#endif

// out[c * out_stride + r] = in[r * in_stride + c] for r < rows and c < columns.
HWY_INLINE void transpose(float* HWY_RESTRICT out, int64_t out_stride, const float* HWY_RESTRICT in,
                          int64_t in_stride, int64_t rows, int64_t columns) {
  int64_t row = 0;
#if HWY_TARGET == HWY_AVX3
  for (; row + 16 <= rows; row += 16) {
    const float* from = in + row * in_stride;
    int64_t column = 0;
    for (; column + 16 <= columns; column += 16)
      transpose_16(out + column * out_stride + row, out_stride, from + column, in_stride);
    for (; column < columns; ++column) {
      for (int64_t r = 0; r < 16; ++r)
        out[column * out_stride + row + r] = from[r * in_stride + column];
    }
  }
#endif
#if HWY_TARGET != HWY_SCALAR
  const LaneTag tag;
  for (; row + 4 <= rows; row += 4) {
    const float* from = in + row * in_stride;
    float* to = out + row;
    int64_t column = 0;
    for (; column + kLanes <= columns; column += kLanes, from += kLanes) {
      hn::Vec<LaneTag> columns_of_blocks[4];
      transpose_blocks(columns_of_blocks, from, in_stride);
      HWY_ALIGN float blocks[4 * kLanes];
#pragma GCC unroll 4
      for (int64_t j = 0; j < 4; ++j)
        hn::Store(columns_of_blocks[j], tag, blocks + j * kLanes);
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
