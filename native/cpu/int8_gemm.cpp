// Products of 8-bit integers with scales at the end. Both operands have their sums along their rows,
// so nothing is laid out anew.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/int8_gemm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "formulas/integer_codes.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "cpu/cpu_backend.h"
#include "cpu/int8_panels.h"
#include "cpu/int8_sums.h"
#include "dtype.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

// The compiler's vectors serve here.
template <int kRows, int kColumns>
void sum_tile(const int8_t* a, const int8_t* b, int64_t depth, int32_t* out) {
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      int32_t sum = 0;
      for (int64_t i = 0; i < depth; ++i)
        sum += a[r * depth + i] * b[c * depth + i];
      out[r * kInt8PieceColumns + c] = sum;
    }
  }
}

#else

using ShortTag = hn::Repartition<int16_t, SignedTag>;
using CodeTag = hn::Rebind<int8_t, ShortTag>;
inline constexpr int64_t kStep = 2 * kLanes;

HWY_INLINE hn::Vec<ShortTag> widen_codes(const int8_t* p) {
  return hn::PromoteTo(ShortTag(), hn::LoadU(CodeTag(), p));
}
// The first codes; zeros after them.
HWY_INLINE hn::Vec<ShortTag> widen_codes(const int8_t* p, int64_t count) {
  int8_t buffer[kStep] = {};
  std::memcpy(buffer, p, static_cast<size_t>(count));
  return widen_codes(buffer);
}

// Products of 16 bits, added in pairs to 32: no step of it saturates.
template <int kRows, int kColumns>
HWY_NOINLINE void sum_tile(const int8_t* a, const int8_t* b, int64_t depth, int32_t* out) {
  const SignedTag tag;
  hn::Vec<SignedTag> sums[kRows][kColumns];
  hn::Vec<SignedTag> more[kRows][kColumns];  // of targets that keep a pair's products apart
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c)
      sums[r][c] = more[r][c] = hn::Zero(tag);
  }
  const auto add = [&](int64_t i, auto... count) NAMP_LANES {
    hn::Vec<ShortTag> right[kColumns];
#pragma GCC unroll 4
    for (int c = 0; c < kColumns; ++c)
      right[c] = widen_codes(b + c * depth + i, count...);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const auto left = widen_codes(a + r * depth + i, count...);
#pragma GCC unroll 4
      for (int c = 0; c < kColumns; ++c)
        sums[r][c] = hn::ReorderWidenMulAccumulate(tag, left, right[c], sums[r][c], more[r][c]);
    }
  };
  int64_t i = 0;
  for (; i + kStep <= depth; i += kStep)
    add(i);
  if (i < depth) add(i, depth - i);
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      out[r * kInt8PieceColumns + c] =
          hn::GetLane(hn::SumOfLanes(tag, hn::Add(sums[r][c], more[r][c])));
    }
  }
}

#endif

void sum_int8(const int8_t* a, int64_t rows, const int8_t* b, int64_t columns, int64_t depth,
              int32_t zero_point, int32_t* sums) {
  for_int8_tiles(rows, columns, [&](auto height, auto width, int64_t row, int64_t column) {
    sum_tile<decltype(height)::value, decltype(width)::value>(
        a + row * depth, b + column * depth, depth, sums + row * kInt8PieceColumns + column);
  });
  if (zero_point == 0) return;
  for (int64_t c = 0; c < columns; ++c) {
    const int32_t correction = zero_point * std::accumulate(b + c * depth, b + (c + 1) * depth, 0);
    for (int64_t r = 0; r < rows; ++r)
      sums[r * kInt8PieceColumns + c] -= correction;
  }
}

HWY_INLINE Lane load_sums(const int32_t* p, Whole) {
  return Lane(hn::ConvertTo(LaneTag(), hn::LoadU(SignedTag(), p)));
}
HWY_INLINE Lane load_sums(const int32_t* p, Part part) {
  int32_t buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<size_t>(part.count) * sizeof(int32_t));
  return load_sums(buffer, Whole{});
}

// The output of a piece of sums.
void scale_int8_sums(const namp_int8_gemm_args& args, const int32_t* sums, int64_t row,
                     int64_t rows, int64_t column, int64_t columns) {
  with_element(args.c_dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const float* scales = args.b_scales + column;
    const float* bias = args.bias == nullptr ? nullptr : args.bias + column;
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t* in = sums + r * kInt8PieceColumns;
      T* out = static_cast<T*>(args.c) + (row + r) * args.n + column;
      const Lane a_scale(args.a_scales == nullptr ? args.a_scale : args.a_scales[row + r]);
      for_lanes(columns, [=](int64_t i, auto part) NAMP_LANES {
        const bool biased = bias != nullptr;
        const Lane x = scale_sum(load_sums(in + i, part), a_scale, load(scales + i, part), biased,
                                 biased ? load(bias + i, part) : Lane(0.0f));
        store(same_nan(x, Lane(0.0f)), out + i, part);
      });
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(sum_int8);
NAMP_SIMD_TABLE(scale_int8_sums);

namespace {

// Rows of A that meet a panel of B before the next one is laid out: they stay in the second cache.
constexpr int64_t kPanelBlocks = 24;

constexpr int64_t kCacheLine = 64;

// Fetches bytes that are read soon, or written.
void fetch_soon(const int8_t* begin, const int8_t* end) {
  for (; begin < end; begin += kCacheLine)
    __builtin_prefetch(begin, 0, 2);
}
void fetch_outputs(const namp_int8_gemm_args& args, int64_t row, int64_t rows, int64_t column,
                   int64_t columns) {
  const int64_t element = dtype_size(args.c_dtype);
  for (int64_t r = 0; r < rows; ++r) {
    const char* begin = static_cast<const char*>(args.c) + ((row + r) * args.n + column) * element;
    for (int64_t i = 0; i < columns * element; i += kCacheLine)
      __builtin_prefetch(begin + i, 1);
  }
}

}  // namespace

// Cuts the output into chunks of rows and panels of columns. A is laid out once, a panel for each
// chunk of rows that it meets.
void CpuBackend::int8_gemm_by_panels(const Int8Panels& panels, const namp_int8_gemm_args& args,
                                     namp_stream stream) {
  const int64_t units = int8_units(args.k);
  const int64_t blocks = (args.m - 1) / kInt8TileRows + 1;
  const int64_t across = (args.n - 1) / kInt8TileColumns + 1;
  const int64_t workers = threads_.count();
  const int64_t down =
      std::max((blocks - 1) / kPanelBlocks + 1, std::min(blocks, (workers - 1) / across + 1));
  const int64_t panel_bytes = units * kInt8TileColumns * 4;
  const int64_t block_words = (units + 1) * kInt8TileRows;  // with the sums of the rows
  char* scratch = worker_scratch(workers, panel_bytes, stream, blocks * block_words * 4);
  auto* rows = reinterpret_cast<uint32_t*>(scratch + workers * panel_bytes);
  threads_.parallel_for(blocks, 1, [&](int64_t block, int64_t) {
    uint32_t* words = rows + block * block_words;
    uint32_t* sums = words + units * kInt8TileRows;
    const int64_t row = block * kInt8TileRows;
    panels.pack_rows(args.a + row * args.k, std::min(kInt8TileRows, args.m - row), args.k, words,
                     sums);
    // The codes of B are unsigned by 128.
    for (int64_t r = 0; r < kInt8TileRows; ++r)
      sums[r] *= static_cast<uint32_t>(-128);
  });
  const auto scale = scale_int8_sums_by_simd(simd_);
  threads_.split(across * down, [&](int64_t worker, int64_t begin, int64_t end) {
    auto* panel = reinterpret_cast<uint32_t*>(scratch + worker * panel_bytes);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t column = unit % across * kInt8TileColumns;
      const int64_t columns = std::min(kInt8TileColumns, args.n - column);
      uint32_t corrections[kInt8TileColumns] = {};
      panels.pack_columns(args.b + column * args.k, columns, args.k, panel,
                          args.a_zero_point == 0 ? nullptr : corrections);
      for (uint32_t& correction : corrections)
        correction *= static_cast<uint32_t>(args.a_zero_point);
      const int64_t chunk = unit / across;
      const int64_t first = blocks * chunk / down;
      const int64_t last = blocks * (chunk + 1) / down;
      // The next panel comes while this one is multiplied.
      const int64_t next = column + columns;
      const int8_t* coming = args.b + next * args.k;
      const int64_t bytes = std::min(kInt8TileColumns, args.n - next) * args.k;
      for (int64_t block = first; block < last; ++block) {
        int32_t sums[kInt8TileRows * kInt8PieceColumns];
        const int64_t row = block * kInt8TileRows;
        const int64_t count = std::min(kInt8TileRows, args.m - row);
        const uint32_t* words = rows + block * block_words;
        fetch_soon(coming + bytes * (block - first) / (last - first),
                   coming + bytes * (block - first + 1) / (last - first));
        fetch_outputs(args, row, count, column, columns);
        panels.multiply(words, count, panel, units, words + units * kInt8TileRows, corrections,
                        sums, kInt8PieceColumns);
        scale(args, sums, row, count, column, columns);
      }
    }
  });
}

void CpuBackend::int8_gemm(const namp_int8_gemm_args& args, namp_stream stream) {
  const Int8Panels* panels = int8_panels(simd_);
  if (panels != nullptr && args.m >= kInt8PanelsFrom && args.n > 0 && args.k > 0) {
    int8_gemm_by_panels(*panels, args, stream);
    return;
  }
  const Int8Sums dots = int8_sums_by_dots(simd_);
  const Int8Sums sum = dots != nullptr ? dots : sum_int8_by_simd(simd_);
  const auto scale = scale_int8_sums_by_simd(simd_);
  const int64_t across = (args.n - 1) / kInt8PieceColumns + 1;
  const int64_t down = (args.m - 1) / kInt8PieceRows + 1;
  threads_.parallel_for(across * down, 1, [&](int64_t piece, int64_t) {
    int32_t sums[kInt8PieceRows * kInt8PieceColumns];
    const int64_t row = piece % down * kInt8PieceRows;
    const int64_t column = piece / down * kInt8PieceColumns;
    const int64_t rows = std::min(kInt8PieceRows, args.m - row);
    const int64_t columns = std::min(kInt8PieceColumns, args.n - column);
    sum(args.k == 0 ? nullptr : args.a + row * args.k, rows,
        args.k == 0 ? nullptr : args.b + column * args.k, columns, args.k, args.a_zero_point, sums);
    scale(args, sums, row, rows, column, columns);
  });
}

}  // namespace namp
#endif
