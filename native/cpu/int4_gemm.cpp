// Products of weights of 4 bits and rows of 8 bits, both with a scale for each group along k.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/int4_gemm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/code_output-inl.h"

#include <algorithm>
#include <cstring>

#include "cpu/block_gemm.h"
#include "cpu/convolution.h"
#include "cpu/cpu_backend.h"
#include "cpu/int4_panels.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR

// The compiler's vectors serve here.
void multiply_int4_tile(const Int4Tile& tile) {
  constexpr int64_t kHalf = kInt4PanelColumns / 2;
  const int64_t count = tile.count;
  std::fill_n(tile.outputs, count * kInt4PanelColumns, 0.0f);
  const uint8_t* rows = tile.rows;
  const uint8_t* panel = tile.panel;
  for (int64_t left = tile.depth.lines; left > 0; left -= tile.depth.group_lines) {
    const int64_t lines = std::min(left, tile.depth.group_lines);
    const uint8_t* const codes = panel + kInt4ScaleBytes;
    for (int64_t r = 0; r < count; ++r) {
      int32_t sums[kInt4PanelColumns];
      std::fill_n(sums, kInt4PanelColumns, read_as<int32_t>(rows + r * 4));
      for (int64_t unit = 0; unit < lines * kInt4LineUnits; ++unit) {
        const int64_t line = unit / kInt4LineUnits;
        const auto* row = reinterpret_cast<const int8_t*>(rows) + count * 8 +
                          (line * count + r) * kInt4Line + unit % kInt4LineUnits * 4;
        const uint8_t* pairs = codes + unit * kInt4UnitBytes;
        for (int64_t c = 0; c < kHalf; ++c) {
          for (int64_t i = 0; i < 4; ++i) {
            sums[c] += (pairs[4 * c + i] & 15) * row[i];
            sums[kHalf + c] += (pairs[4 * c + i] >> 4) * row[i];
          }
        }
      }
      const auto scale = read_as<float>(rows + (count + r) * 4);
      for (int64_t c = 0; c < kInt4PanelColumns; ++c) {
        float& output = tile.outputs[r * kInt4PanelColumns + c];
        output = multiply_add(static_cast<float>(sums[c]) * scale, read_as<float>(panel + 4 * c),
                              output);
      }
    }
    rows += count * (8 + lines * kInt4Line);
    panel = codes + lines * kInt4LineBytes;
  }
}

#else

using WordTag = SignedTag;
using ShortTag = hn::Repartition<int16_t, WordTag>;
using CodeTag = hn::Repartition<int8_t, WordTag>;
using PairTag = hn::Repartition<uint8_t, WordTag>;

// Adds the products of bytes, in pairs of neighbours: at most 2 * 15 * 128 for a pair, so that sums of
// a line fit in 16 bits.
HWY_INLINE hn::Vec<ShortTag> add_pairs(hn::Vec<PairTag> weights, hn::Vec<CodeTag> codes,
                                       hn::Vec<ShortTag> sums) {
#if HWY_TARGET == HWY_AVX2
  return hn::Add(sums, hn::Vec<ShortTag>{_mm256_maddubs_epi16(weights.raw, codes.raw)});
#elif HWY_TARGET == HWY_AVX3
  return hn::Add(sums, hn::Vec<ShortTag>{_mm512_maddubs_epi16(weights.raw, codes.raw)});
#else
  const int8x16_t right = vreinterpretq_s8_u8(weights.raw);
  const int16x8_t low = vmull_s8(vget_low_s8(right), vget_low_s8(codes.raw));
  const int16x8_t high = vmull_s8(vget_high_s8(right), vget_high_s8(codes.raw));
  return hn::Add(sums, hn::Vec<ShortTag>{vpaddq_s16(low, high)});
#endif
}

// Neighbours of 16 bits become one of 32, which is added.
HWY_INLINE hn::Vec<WordTag> add_neighbours(hn::Vec<ShortTag> pairs, hn::Vec<WordTag> sums) {
#if HWY_TARGET == HWY_AVX2
  const auto ones = hn::Set(ShortTag(), 1);
  return hn::Add(sums, hn::Vec<WordTag>{_mm256_madd_epi16(pairs.raw, ones.raw)});
#elif HWY_TARGET == HWY_AVX3
  const auto ones = hn::Set(ShortTag(), 1);
  return hn::Add(sums, hn::Vec<WordTag>{_mm512_madd_epi16(pairs.raw, ones.raw)});
#else
  return hn::Vec<WordTag>{vpadalq_s16(sums.raw, pairs.raw)};
#endif
}

// Some rows, and the columns of a register of a unit: kLanes in the low halves, and as many in the high
// ones.
template <int kRows>
HWY_NOINLINE void multiply_some_int4(const Int4Tile& tile, int64_t row, int64_t column) {
  constexpr int64_t kHalf = kInt4PanelColumns / 2;
  Lane outputs[2][kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
    outputs[0][r] = outputs[1][r] = Lane(0.0f);
  const uint8_t* rows = tile.rows;
  const uint8_t* panel = tile.panel;
  for (int64_t left = tile.depth.lines; left > 0; left -= tile.depth.group_lines) {
    const uint8_t* const starts = rows + row * 4;
    const uint8_t* const row_scales = starts + tile.count * 4;
    rows += tile.count * 8;
    const auto* scales = reinterpret_cast<const float*>(panel) + column;
    const Lane weight_scales[2] = {load(scales), load(scales + kHalf)};
    panel += kInt4ScaleBytes;
    hn::Vec<WordTag> sums[2][kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
      sums[0][r] = sums[1][r] = hn::Set(WordTag(), read_as<int32_t>(starts + r * 4));
    const int64_t lines = std::min(left, tile.depth.group_lines);
    for (int64_t line = 0; line < lines; ++line) {
      hn::Vec<ShortTag> pairs[2][kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r)
        pairs[0][r] = pairs[1][r] = hn::Zero(ShortTag());
#pragma GCC unroll 8
      for (int64_t u = 0; u < kInt4LineUnits; ++u) {
        const auto unit = hn::LoadU(PairTag(), panel + u * kInt4UnitBytes + 4 * column);
        const auto low = hn::And(unit, hn::Set(PairTag(), 15));
        const auto shifted = hn::ShiftRight<4>(hn::BitCast(hn::RepartitionToWide<PairTag>(), unit));
        const auto high = hn::And(hn::BitCast(PairTag(), shifted), hn::Set(PairTag(), 15));
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const auto word = read_as<int32_t>(rows + (row + r) * kInt4Line + u * 4);
          const auto codes = hn::BitCast(CodeTag(), hn::Set(WordTag(), word));
          pairs[0][r] = add_pairs(low, codes, pairs[0][r]);
          pairs[1][r] = add_pairs(high, codes, pairs[1][r]);
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        sums[0][r] = add_neighbours(pairs[0][r], sums[0][r]);
        sums[1][r] = add_neighbours(pairs[1][r], sums[1][r]);
      }
      rows += tile.count * kInt4Line;
      panel += kInt4LineBytes;
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Lane scale(read_as<float>(row_scales + r * 4));
#pragma GCC unroll 2
      for (int i = 0; i < 2; ++i) {
        const Lane sum(hn::ConvertTo(LaneTag(), sums[i][r]));
        outputs[i][r] = multiply_add(sum * scale, weight_scales[i], outputs[i][r]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    float* to = tile.outputs + (row + r) * kInt4PanelColumns + column;
    store(outputs[0][r], to);
    store(outputs[1][r], to + kHalf);
  }
}

void multiply_int4_tile(const Int4Tile& tile) {
  constexpr int kTogether = kLanes == 8 ? 3 : 6;
  for (int64_t column = 0; column < kInt4PanelColumns / 2; column += kLanes) {
    int64_t row = 0;
    for (; row + kTogether <= tile.count; row += kTogether)
      multiply_some_int4<kTogether>(tile, row, column);
    for (; row < tile.count; ++row)
      multiply_some_int4<1>(tile, row, column);
  }
}

#endif

void store_int4_outputs(const namp_int4_gemm_args& args, const float* sums, int64_t row,
                        int64_t rows, int64_t column) {
  store_code_sums(args, sums, kInt4PanelColumns, row, rows, column,
                  std::min(kInt4PanelColumns, args.n - column));
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(multiply_int4_tile);
NAMP_SIMD_TABLE(store_int4_outputs);

namespace {

// Rows that are ready stay in the second cache, beside a panel.
constexpr int64_t kChunkBytes = 256 << 10;

// Makes a block's rows ready, as Int4Depth says.
void prepare_rows(const namp_int4_gemm_args& args, const Int4Depth& depth, int64_t row,
                  int64_t rows, uint8_t* out) {
  for (int64_t g = 0; g < depth.groups; ++g) {
    const CodeGroup group(g, args.k, args.group, depth.groups);
    const int64_t lines = divide_up(group.width, kInt4Line);
    for (int64_t r = 0; r < rows; ++r) {
      const int8_t* codes = args.a + (row + r) * args.k + group.begin;
      int32_t sum = 0;
      for (int64_t i = 0; i < group.width; ++i)
        sum += codes[i];
      const int32_t start = -8 * sum;
      std::memcpy(out + r * 4, &start, sizeof start);
      std::memcpy(out + (rows + r) * 4, args.a_scales + (row + r) * depth.groups + g,
                  sizeof(float));
      for (int64_t line = 0; line < lines; ++line) {
        const int64_t there = std::min(kInt4Line, group.width - line * kInt4Line);
        uint8_t* to = out + rows * 8 + (line * rows + r) * kInt4Line;
        std::memcpy(to, codes + line * kInt4Line, static_cast<size_t>(there));
        std::memset(to + there, 0, static_cast<size_t>(kInt4Line - there));
      }
    }
    out += rows * (8 + lines * kInt4Line);
  }
}

}  // namespace

// Cuts the output into chunks of blocks of rows, and panels. A worker makes the rows of a chunk ready
// when it comes to it.
void CpuBackend::int4_gemm(const namp_int4_gemm_args& args, namp_stream stream) {
  const Int4Kernel dots = int4_kernel_by_dots(simd_);
  const Int4Kernel multiply = dots != nullptr ? dots : multiply_int4_tile_by_simd(simd_);
  const auto store = store_int4_outputs_by_simd(simd_);
  const Int4Depth depth(args.k, args.group);
  const int64_t panels = int4_panel_count(args.n);
  const int64_t workers = threads_.count();
  const int64_t block_bytes = kInt4BlockRows * depth.row_bytes();
  const int64_t blocks = divide_up(args.m, kInt4BlockRows);
  const int64_t fitting =
      block_bytes == 0 ? blocks : std::max<int64_t>(1, kChunkBytes / block_bytes);
  const int64_t chunks =
      std::max(divide_up(blocks, fitting), std::min(blocks, divide_up(workers, panels)));
  const int64_t chunk_bytes = align(divide_up(blocks, chunks) * block_bytes);
  char* scratch = worker_scratch(workers, chunk_bytes, stream);
  const auto* weight = static_cast<const uint8_t*>(args.b);

  threads_.split(chunks * panels, [&](int64_t worker, int64_t begin, int64_t end) {
    auto* ready = reinterpret_cast<uint8_t*>(scratch + worker * chunk_bytes);
    int64_t is_ready = -1;
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t chunk = unit / panels;
      const int64_t first = blocks * chunk / chunks;
      const int64_t last = blocks * (chunk + 1) / chunks;
      const auto rows_from = [&](int64_t block) { return args.m * block / blocks; };
      const auto for_blocks = [&](auto&& body) {
        for (int64_t block = first; block < last; ++block) {
          const int64_t row = rows_from(block);
          body(row, rows_from(block + 1) - row,
               ready + (row - rows_from(first)) * depth.row_bytes());
        }
      };
      if (is_ready != chunk) {
        for_blocks([&](int64_t row, int64_t rows, uint8_t* at) {
          prepare_rows(args, depth, row, rows, at);
        });
      }
      is_ready = chunk;
      const int64_t panel = unit % panels;
      for_blocks([&](int64_t row, int64_t rows, const uint8_t* at) {
        float outputs[kInt4BlockRows * kInt4PanelColumns];
        multiply({at, rows, weight + panel * depth.panel_bytes(), depth, outputs});
        store(args, outputs, row, rows, panel * kInt4PanelColumns);
      });
    }
  });
}

}  // namespace namp
#endif
