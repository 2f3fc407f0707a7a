// Blocks of bfloat16 in pairs along the sum, as the pair tiles read them.
#if defined(NAMP_CPU_PAIR_BLOCKS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_PAIR_BLOCKS_INL_H
#undef NAMP_CPU_PAIR_BLOCKS_INL_H
#else
#define NAMP_CPU_PAIR_BLOCKS_INL_H
#endif

#include <algorithm>
#include <cstring>

#include "cpu/block_gemm.h"
#include "cpu/loop-inl.h"
#include "cpu/pair_tiles.h"
#include "cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// A pair is moved as a float: loads, stores and shuffles change no bits.

// Of two widened elements, which have their bits in the upper half.
HWY_INLINE Lane paired(Lane even, Lane odd) {
  return from_bits(shift_right<16>(bits(even)) | bits(odd));
}

// out[i] = the pair of even[i] and odd[i]; of even[i] and zero without odd.
HWY_INLINE void pair_up(float* out, const BFloat16* even, const BFloat16* odd, int64_t count) {
  for_lanes(count, [=](int64_t i, auto part) NAMP_LANES {
    const Lane high = odd == nullptr ? Lane(0.0f) : load(odd + i, part);
    store(paired(load(even + i, part), high), out + i, part);
  });
}

// Rows of contiguous elements, with zeros up to a number of pairs.
HWY_INLINE void copy_pairs(float* out, int64_t out_stride, const BFloat16* in, int64_t in_stride,
                           int64_t rows, int64_t depth, int64_t units) {
  const auto bytes = static_cast<size_t>(depth) * sizeof(BFloat16);
  for (int64_t row = 0; row < rows; ++row) {
    auto* to = reinterpret_cast<char*>(out + row * out_stride);
    std::memcpy(to, in + row * in_stride, bytes);
    std::memset(to + bytes, 0, static_cast<size_t>(units) * 4 - bytes);
  }
}

// Whether elements of T may be at p.
template <class T>
HWY_INLINE bool is_aligned_to(const void* p) {
  return reinterpret_cast<uintptr_t>(p) % alignof(T) == 0;
}

// Pairs of rows, kTransposedPairs at a time in the buffer before they are transposed.
inline constexpr int64_t kTransposedPairs = 4;

// A block of A: rows of pairs, kPairStride apart. The rows up to the next tile are anything.
HWY_INLINE void pack_pairs_a(float* out, float* buffer, const MatrixView& a, int64_t rows,
                             int64_t depth, int64_t units) {
  const auto* in = static_cast<const BFloat16*>(a.data);
  if (a.column_stride == 1) {
    copy_pairs(out, kPairStride, in, a.row_stride, rows, depth, units);
    return;
  }
  for (int64_t unit = 0; unit < units; unit += kTransposedPairs) {
    const int64_t some = std::min(kTransposedPairs, units - unit);
    for (int64_t i = 0; i < some; ++i) {
      const int64_t k = 2 * (unit + i);
      const BFloat16* even = in + k * a.column_stride;
      if (k >= depth) {
        std::fill_n(buffer + i * kBlockRows, rows, 0.0f);
      } else {
        pair_up(buffer + i * kBlockRows, even, k + 1 < depth ? even + a.column_stride : nullptr,
                rows);
      }
    }
    transpose(out + unit, kPairStride, buffer, kBlockRows, some, rows);
  }
}

// A block of B in panels: kPairColumns columns, units rows of pairs, one after the other. The last
// panel is padded with zeros.
HWY_INLINE void pack_pairs_b(float* out, float* buffer, const MatrixView& b, int64_t depth,
                             int64_t columns, int64_t units) {
  const auto* in = static_cast<const BFloat16*>(b.data);
  for (int64_t first = 0; first < columns; first += kPairColumns, out += units * kPairColumns) {
    const int64_t count = std::min(kPairColumns, columns - first);
    if (count < kPairColumns || units > (depth + 1) / 2)
      std::fill_n(out, units * kPairColumns, 0.0f);
    if (b.column_stride == 1) {
      for (int64_t k = 0; k < depth; k += 2) {
        const BFloat16* even = in + k * b.row_stride + first;
        pair_up(out + k / 2 * kPairColumns, even, k + 1 < depth ? even + b.row_stride : nullptr,
                count);
      }
      continue;
    }
    const BFloat16* from = in + first * b.column_stride;
    if (b.column_stride % 2 == 0 && depth == 2 * units && is_aligned_to<float>(from)) {
      transpose(out, kPairColumns, reinterpret_cast<const float*>(from), b.column_stride / 2, count,
                units);
      continue;
    }
    for (int64_t column = 0; column < count; column += kPackedColumns) {
      const int64_t some = std::min(kPackedColumns, count - column);
      copy_pairs(buffer, kPairDepth, from + column * b.column_stride, b.column_stride, some, depth,
                 units);
      transpose(out + column, kPairColumns, buffer, kPairDepth, some, units);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
