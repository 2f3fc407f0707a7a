// Weights of 4-bit codes laid out, and products of panels by VPDPBUSD (vnni.h).
#include "cpu/int4_panels.h"

#include <algorithm>
#include <cstring>

#include "cpu/cpu_backend.h"
#include "cpu/vnni.h"

namespace namp {
namespace {

constexpr int kInt4Zero = 8;  // the code of 0

// Columns of a panel, from one of the weight's on.
void pack_int4_panel(const namp_int4_pack_args& args, const Int4Depth& depth, int64_t first,
                     uint8_t* panel) {
  const int64_t row_bytes = depth.groups * args.group / 2;
  const int64_t half = kInt4PanelColumns / 2;
  // The code of a column that is not there is of no use: its scale is 0.
  const auto code = [&](int64_t column, int64_t i) -> int {
    if (column >= args.n || i >= args.k) return kInt4Zero;
    const int pair = args.codes[column * row_bytes + i / 2];
    return i % 2 == 0 ? pair & 15 : pair >> 4;
  };
  for (int64_t g = 0, line = 0; g < depth.groups; ++g) {
    for (int64_t c = 0; c < kInt4PanelColumns; ++c, panel += sizeof(float)) {
      const int64_t column = first + c;
      const float scale = column < args.n ? args.scales[column * depth.groups + g] : 0.0f;
      std::memcpy(panel, &scale, sizeof scale);
    }
    const int64_t end = std::min(depth.lines, (g + 1) * depth.group_lines);
    for (; line < end; ++line) {
      for (int64_t unit = 0; unit < kInt4LineUnits; ++unit) {
        for (int64_t c = 0; c < half; ++c) {
          for (int64_t i = 0; i < 4; ++i, ++panel) {
            const int64_t at = line * kInt4Line + unit * 4 + i;
            *panel = static_cast<uint8_t>(code(first + c, at) | code(first + half + c, at) << 4);
          }
        }
      }
    }
  }
}

}  // namespace

int64_t CpuBackend::int4_packed_bytes(const namp_int4_pack_args& args) const {
  return int4_panel_count(args.n) * Int4Depth(args.k, args.group).panel_bytes();
}

void CpuBackend::int4_pack(const namp_int4_pack_args& args, namp_stream) {
  const Int4Depth depth(args.k, args.group);
  threads_.parallel_for(int4_panel_count(args.n), 1, [&](int64_t panel, int64_t) {
    pack_int4_panel(args, depth, panel * kInt4PanelColumns,
                    static_cast<uint8_t*>(args.packed) + panel * depth.panel_bytes());
  });
}

}  // namespace namp

#if defined(NAMP_VNNI)

namespace namp {
namespace {

// A column's sums are in one lane of one register. Few rows have two sets of sums, for the lines' even
// and odd units, which would wait for each other. Sums of a group and outputs of six rows fit in
// registers; with outputs in memory, blocks of twelve rows took longer.
template <int kRows>
NAMP_VNNI void multiply_by_dots(const Int4Tile& tile) {
  constexpr int kSets = kRows <= 2 ? 2 : 1;
  const __m512i low_halves = _mm512_set1_epi8(15);
  __m512 outputs[2][kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r)
    outputs[0][r] = outputs[1][r] = _mm512_setzero_ps();
  const uint8_t* rows = tile.rows;
  const uint8_t* panel = tile.panel;
  for (int64_t left = tile.depth.lines; left > 0; left -= tile.depth.group_lines) {
    const uint8_t* const starts = rows;
    const uint8_t* const row_scales = rows + kRows * sizeof(int32_t);
    rows = row_scales + kRows * sizeof(float);
    const uint8_t* const scales = panel;
    panel += kInt4ScaleBytes;
    __m512i sums[2][kSets][kRows];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const auto start = read_as<int32_t>(starts + r * sizeof(int32_t));
      sums[0][0][r] = sums[1][0][r] = _mm512_set1_epi32(start);
      if (kSets == 2) sums[0][kSets - 1][r] = sums[1][kSets - 1][r] = _mm512_setzero_si512();
    }
    const int64_t lines = std::min(left, tile.depth.group_lines);
    for (int64_t line = 0; line < lines; ++line) {
#pragma GCC unroll 8
      for (int u = 0; u < kInt4LineUnits; ++u) {
        const __m512i pairs = _mm512_loadu_si512(panel + u * kInt4UnitBytes);
        const __m512i low = _mm512_and_si512(pairs, low_halves);
        const __m512i high = _mm512_and_si512(_mm512_srli_epi16(pairs, 4), low_halves);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          const __m512i codes = _mm512_set1_epi32(read_as<int32_t>(rows + r * kInt4Line + u * 4));
          const int set = u % kSets;
          sums[0][set][r] = _mm512_dpbusd_epi32(sums[0][set][r], low, codes);
          sums[1][set][r] = _mm512_dpbusd_epi32(sums[1][set][r], high, codes);
        }
      }
      rows += kRows * kInt4Line;
      panel += kInt4LineBytes;
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const __m512 column_scales = _mm512_loadu_ps(scales + half * 64);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const auto scale = read_as<float>(row_scales + r * sizeof(float));
        __m512i sum = sums[half][0][r];
        if (kSets == 2) sum = _mm512_add_epi32(sum, sums[half][kSets - 1][r]);
        const __m512 product = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_set1_ps(scale));
        outputs[half][r] = _mm512_fmadd_ps(product, column_scales, outputs[half][r]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    float* at = tile.outputs + r * kInt4PanelColumns;
    _mm512_storeu_ps(at, outputs[0][r]);
    _mm512_storeu_ps(at + 16, outputs[1][r]);
  }
}

void multiply_int4_by_dots(const Int4Tile& tile) {
  static constexpr Int4Kernel kByRows[kInt4BlockRows] = {
      &multiply_by_dots<1>, &multiply_by_dots<2>, &multiply_by_dots<3>,
      &multiply_by_dots<4>, &multiply_by_dots<5>, &multiply_by_dots<6>};
  kByRows[tile.count - 1](tile);
}

}  // namespace

Int4Kernel int4_kernel_by_dots(namp_simd simd) {
  return has_vnni(simd) ? &multiply_int4_by_dots : nullptr;
}

}  // namespace namp

#else

namespace namp {

Int4Kernel int4_kernel_by_dots(namp_simd) { return nullptr; }

}  // namespace namp

#endif
