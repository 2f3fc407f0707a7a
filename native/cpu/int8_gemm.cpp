// Products of 8-bit integers with scales at the end.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/int8_gemm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/loop-inl.h"
#include "formulas/integer_codes.h"

#include <algorithm>
#include <cstring>

#include "cpu/convolution.h"
#include "cpu/cpu_backend.h"
#include "cpu/int8_panels.h"
#include "dtype.h"

#ifndef NAMP_CPU_INT8_GEMM_SHAPES
#define NAMP_CPU_INT8_GEMM_SHAPES
namespace namp {

// Panels whose sums become outputs together, at most.
inline constexpr int64_t kInt8GroupPanels = 4;
inline constexpr int64_t kInt8GroupColumns = kInt8GroupPanels * kInt8PanelColumns;

}  // namespace namp
#endif

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

// The compiler's vectors serve here.
void multiply_int8_tile(const Int8Tile& tile) {
  const auto* rows = reinterpret_cast<const int16_t*>(tile.rows);
  const auto* codes = reinterpret_cast<const int8_t*>(tile.units);
  for (int64_t r = 0; r < tile.count; ++r, rows += 4 * tile.unit_count) {
    uint32_t sums[kInt8PanelColumns] = {};
    for (int64_t unit = 0; unit < tile.unit_count; ++unit) {
      for (int64_t c = 0; c < kInt8PanelColumns; ++c) {
        int32_t sum = 0;
        for (int64_t i = 0; i < 4; ++i)
          sum += rows[4 * unit + i] * codes[unit * kInt8UnitBytes + 4 * c + i];
        sums[c] += static_cast<uint32_t>(sum);
      }
    }
    for (int64_t c = 0; c < kInt8PanelColumns; ++c)
      tile.sums[r * tile.stride + c] = static_cast<int32_t>(sums[c] - tile.corrections[c]);
  }
}

#else

using ShortTag = hn::Repartition<int16_t, SignedTag>;
using CodeTag = hn::Rebind<int8_t, ShortTag>;
using UnitTag = hn::Repartition<int64_t, SignedTag>;

// Some rows and kVectors registers of columns, each of which has the four codes of kLanes / 2.
// Products of 16 bits, added in pairs to 32: no step of it saturates.
template <int kRows, int kVectors>
HWY_NOINLINE void multiply_some(const Int8Tile& tile, int64_t row, int64_t column) {
  const SignedTag tag;
  hn::Vec<SignedTag> sums[kRows][kVectors];
  hn::Vec<SignedTag> more[kRows][kVectors];  // of targets that keep a pair's products apart
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      sums[r][v] = more[r][v] = hn::Zero(tag);
  }
  const int64_t row_bytes = 8 * tile.unit_count;
  const uint8_t* rows = tile.rows + row * row_bytes;
  const auto* codes = reinterpret_cast<const int8_t*>(tile.units) + 4 * column;
  for (int64_t unit = 0; unit < tile.unit_count; ++unit, rows += 8, codes += kInt8UnitBytes) {
    hn::Vec<ShortTag> right[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v)
      right[v] = hn::PromoteTo(ShortTag(), hn::LoadU(CodeTag(), codes + v * 2 * kLanes));
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      int64_t four;
      std::memcpy(&four, rows + r * row_bytes, sizeof four);
      const auto left = hn::BitCast(ShortTag(), hn::Set(UnitTag(), four));
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        sums[r][v] = hn::ReorderWidenMulAccumulate(tag, left, right[v], sums[r][v], more[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; v += 2) {
      const auto low = hn::RearrangeToOddPlusEven(sums[r][v], more[r][v]);
      const auto high = hn::RearrangeToOddPlusEven(sums[r][v + 1], more[r][v + 1]);
      const auto pairs = hn::Add(hn::ConcatEven(tag, high, low), hn::ConcatOdd(tag, high, low));
      const int64_t at = column + v / 2 * kLanes;
      const auto corrections = hn::BitCast(tag, hn::LoadU(BitsTag(), tile.corrections + at));
      hn::StoreU(hn::Sub(pairs, corrections), tag, tile.sums + (row + r) * tile.stride + at);
    }
  }
}

// Rows from the first one on, by tiles of kRows; the first one that is left.
template <int kRows, int kVectors>
HWY_INLINE int64_t multiply_rows(const Int8Tile& tile, int64_t row) {
  for (; row + kRows <= tile.count; row += kRows) {
    for (int64_t column = 0; column < kInt8PanelColumns; column += kVectors * kLanes / 2)
      multiply_some<kRows, kVectors>(tile, row, column);
  }
  return row;
}

void multiply_int8_tile(const Int8Tile& tile) {
  constexpr int kMost = 2 * kInt8PanelColumns / kLanes;
  const int64_t row = multiply_rows < 4, kLanes >= 16 ? 4 : 2 > (tile, 0);
  multiply_rows<1, std::min(8, kMost)>(tile, row);
}

#endif

HWY_INLINE Lane load_sums(const int32_t* p, Whole) {
  return Lane(hn::ConvertTo(LaneTag(), hn::LoadU(SignedTag(), p)));
}
HWY_INLINE Lane load_sums(const int32_t* p, Part part) {
  int32_t buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<size_t>(part.count) * sizeof(int32_t));
  return load_sums(buffer, Whole{});
}

// The outputs of some sums, a row of which is kInt8GroupColumns long.
void scale_int8_sums(const namp_int8_gemm_args& args, const int32_t* sums, int64_t row,
                     int64_t rows, int64_t column, int64_t columns) {
  with_element(args.c_dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const float* scales = args.b_scales + column;
    const float* bias = args.bias == nullptr ? nullptr : args.bias + column;
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t* in = sums + r * kInt8GroupColumns;
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

NAMP_SIMD_TABLE(multiply_int8_tile);
NAMP_SIMD_TABLE(scale_int8_sums);

namespace {

// Blocks of rows that meet a group of panels before the next one, and bytes of such a group: they
// stay in the second cache.
constexpr int64_t kChunkBlocks = 24;
constexpr int64_t kGroupBytes = 256 << 10;

constexpr int64_t kCacheLine = 64;

// The codes of a row plus 128, each in 16 bits, zeros after the last one.
int64_t short_row_bytes(int64_t depth) { return 8 * int8_units(depth); }
void pack_short_rows(const int8_t* a, int64_t rows, int64_t depth, uint8_t* packed) {
  const int64_t padded = 4 * int8_units(depth);
  auto* out = reinterpret_cast<int16_t*>(packed);
  for (int64_t r = 0; r < rows; ++r, out += padded) {
    for (int64_t i = 0; i < depth; ++i)
      out[i] = static_cast<int16_t>(a[r * depth + i] + 128);
    std::fill(out + depth, out + padded, int16_t{0});
  }
}

Int8Kernel int8_kernel(namp_simd simd) {
  const Int8Kernel* dots = int8_kernel_by_dots(simd);
  if (dots != nullptr) return *dots;
  return {&short_row_bytes, &pack_short_rows, multiply_int8_tile_by_simd(simd), 128};
}

// Fetches memory that is written soon.
void fetch_outputs(const namp_int8_gemm_args& args, int64_t row, int64_t rows, int64_t column,
                   int64_t columns) {
  const int64_t element = dtype_size(args.c_dtype);
  for (int64_t r = 0; r < rows; ++r) {
    const char* begin = static_cast<const char*>(args.c) + ((row + r) * args.n + column) * element;
    for (int64_t i = 0; i < columns * element; i += kCacheLine)
      __builtin_prefetch(begin + i, 1);
  }
}

// Part i of a number of things that is cut into nearly equal parts: its first one.
constexpr int64_t part_begin(int64_t things, int64_t parts, int64_t i) {
  return things / parts * i + std::min(i, things % parts);
}

}  // namespace

// Cuts the output into chunks of blocks of rows, and groups of panels. A worker makes the rows of a
// chunk ready when it comes to it: that is less than other workers' caches take to give them.
void CpuBackend::int8_gemm(const namp_int8_gemm_args& args, namp_stream stream) {
  const Int8Kernel kernel = int8_kernel(simd_);
  const auto scale = scale_int8_sums_by_simd(simd_);
  const int64_t workers = threads_.count();
  const int64_t panels = int8_panel_count(args.n);
  const int64_t panel_bytes = int8_panel_bytes(args.k);
  const int64_t most = std::min(kGroupBytes / panel_bytes, panels / (2 * workers));
  const int64_t groups = divide_up(panels, std::clamp<int64_t>(most, 1, kInt8GroupPanels));
  const int64_t blocks = divide_up(args.m, kInt8BlockRows);
  const int64_t chunks =
      std::max(divide_up(blocks, kChunkBlocks), std::min(blocks, divide_up(workers, groups)));
  const int64_t row_bytes = kernel.row_bytes(args.k);
  const int64_t chunk_bytes = align(divide_up(blocks, chunks) * kInt8BlockRows * row_bytes);
  char* scratch = worker_scratch(workers, chunk_bytes, stream);
  const auto* weight = static_cast<const uint8_t*>(args.b);

  threads_.split(chunks * groups, [&](int64_t worker, int64_t begin, int64_t end) {
    auto* ready = reinterpret_cast<uint8_t*>(scratch + worker * chunk_bytes);
    int64_t is_ready = -1;
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t chunk = unit / groups;
      const int64_t first = part_begin(blocks, chunks, chunk);
      const int64_t last = part_begin(blocks, chunks, chunk + 1);
      const auto rows_from = [&](int64_t block) { return part_begin(args.m, blocks, block); };
      const auto ready_rows = [&](int64_t block) {
        return ready + (rows_from(block) - rows_from(first)) * row_bytes;
      };
      if (is_ready != chunk && args.k != 0) {
        for (int64_t block = first; block < last; ++block) {
          const int64_t row = rows_from(block);
          kernel.pack_rows(args.a + row * args.k, rows_from(block + 1) - row, args.k,
                           ready_rows(block));
        }
      }
      is_ready = chunk;

      const int64_t left = part_begin(panels, groups, unit % groups);
      const int64_t right = part_begin(panels, groups, unit % groups + 1);
      const int64_t column = left * kInt8PanelColumns;
      const int64_t columns = std::min(right * kInt8PanelColumns, args.n) - column;
      uint32_t corrections[kInt8GroupColumns];
      for (int64_t panel = left; panel < right; ++panel) {
        uint32_t* of_panel = corrections + (panel - left) * kInt8PanelColumns;
        std::memcpy(of_panel, weight + panel * panel_bytes, kInt8UnitBytes);
        for (int64_t c = 0; c < kInt8PanelColumns; ++c)
          of_panel[c] *= static_cast<uint32_t>(args.a_zero_point + kernel.added);
      }
      for (int64_t block = first; block < last; ++block) {
        const int64_t row = rows_from(block);
        const int64_t rows = rows_from(block + 1) - row;
        fetch_outputs(args, row, rows, column, columns);
        int32_t sums[kInt8BlockRows * kInt8GroupColumns];
        for (int64_t panel = left; panel < right; ++panel) {
          const int64_t at = (panel - left) * kInt8PanelColumns;
          kernel.multiply({ready_rows(block), rows, weight + panel * panel_bytes + kInt8UnitBytes,
                           int8_units(args.k), corrections + at, sums + at, kInt8GroupColumns});
        }
        scale(args, sums, row, rows, column, columns);
      }
    }
  });
}

}  // namespace namp
#endif
