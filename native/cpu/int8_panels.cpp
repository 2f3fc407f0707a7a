// Weights of 8-bit codes laid out, and products of panels by VPDPBUSD (vnni.h).
#include "cpu/int8_panels.h"

#include <algorithm>
#include <cstring>

#include "cpu/cpu_backend.h"
#include "cpu/int8_windows.h"
#include "cpu/neon_dots.h"
#include "cpu/vnni.h"

namespace namp {
namespace {

void pack_panel(const int8_t* weight, int64_t columns, int64_t depth, uint8_t* panel) {
  std::memset(panel, 0, static_cast<size_t>(int8_panel_bytes(depth)));
  uint8_t* const units = panel + kInt8UnitBytes;
  for (int64_t c = 0; c < columns; ++c) {
    const int8_t* codes = weight + c * depth;
    int32_t sum = 0;
    for (int64_t i = 0; i < depth; ++i)
      sum += codes[i];
    std::memcpy(panel + 4 * c, &sum, sizeof sum);
    for (int64_t unit = 0; unit < int8_units(depth); ++unit) {
      std::memcpy(units + unit * kInt8UnitBytes + 4 * c, codes + 4 * unit,
                  static_cast<size_t>(std::min<int64_t>(4, depth - 4 * unit)));
    }
  }
}

bool is_for_windows(const namp_int8_pack_args& args) { return args.kernel_h != 0; }

// The words of an output's codes, and their sum.
int32_t pack_windows(const namp_int8_pack_args& args, const Int8Taps& taps, int64_t output,
                     uint8_t* words) {
  std::memset(words, 0, static_cast<size_t>(taps.count) * 4);
  const int8_t* codes = args.weight + output * args.k;
  int32_t sum = 0;
  for (int64_t channel = 0; channel < args.k / (args.kernel_h * args.kernel_w); ++channel) {
    for (int64_t row = 0; row < args.kernel_h; ++row) {
      for (int64_t column = 0; column < args.kernel_w; ++column, ++codes) {
        words[taps.word(channel, row, column) * 4 + taps.byte(channel, column)] =
            static_cast<uint8_t>(*codes);
        sum += *codes;
      }
    }
  }
  return sum;
}

}  // namespace

int64_t CpuBackend::int8_packed_bytes(const namp_int8_pack_args& args) const {
  if (is_for_windows(args)) return Int8WindowLayout(args).bytes;
  return int8_panel_count(args.n) * int8_panel_bytes(args.k);
}

void CpuBackend::int8_pack(const namp_int8_pack_args& args, namp_stream) {
  if (is_for_windows(args)) {
    const Int8WindowLayout layout(args);
    auto* packed = static_cast<uint8_t*>(args.packed);
    std::memset(packed, 0, static_cast<size_t>(layout.sum_bytes));
    threads_.parallel_for(args.n, 1, [&](int64_t output, int64_t) {
      const int32_t sum = pack_windows(args, layout.taps, output,
                                       packed + layout.sum_bytes + output * layout.taps.count * 4);
      std::memcpy(packed + 4 * output, &sum, sizeof sum);
    });
    return;
  }
  threads_.parallel_for(int8_panel_count(args.n), 1, [&](int64_t panel, int64_t) {
    const int64_t column = panel * kInt8PanelColumns;
    pack_panel(args.k == 0 ? nullptr : args.weight + column * args.k,
               std::min(kInt8PanelColumns, args.n - column), args.k,
               static_cast<uint8_t*>(args.packed) + panel * int8_panel_bytes(args.k));
  });
}

}  // namespace namp

#if defined(NAMP_VNNI)

namespace namp {
namespace {

// Units of a line: the codes of a row that lie together. A block has its lines one after the other,
// each with all rows, so that one address serves them all.
constexpr int64_t kLineUnits = kVnniStep / 4;

int64_t row_bytes(int64_t depth) { return (depth + kVnniStep - 1) / kVnniStep * kVnniStep; }

NAMP_VNNI void pack_rows(const int8_t* a, int64_t rows, int64_t depth, uint8_t* packed) {
  for (int64_t r = 0; r < rows; ++r) {
    const int8_t* in = a + r * depth;
    uint8_t* out = packed + r * kVnniStep;
    for (int64_t i = 0; i < depth; i += kVnniStep, out += rows * kVnniStep) {
      const __m512i codes = _mm512_maskz_loadu_epi8(vnni_mask(depth - i), in + i);
      _mm512_storeu_si512(out, vnni_unsigned(codes));
    }
  }
}

// Adds the products of some units. Successive ones have sums of their own where few rows would wait
// for each other.
template <int kRows, int kSets, int kUnits>
NAMP_VNNI inline __attribute__((always_inline)) void add_units(const uint8_t* rows,
                                                               const uint8_t* units,
                                                               __m512i (&left)[kRows * kSets],
                                                               __m512i (&right)[kRows * kSets]) {
#pragma GCC unroll 4
  for (int u = 0; u < kUnits; ++u) {
    const uint8_t* unit = units + u * kInt8UnitBytes;
    const __m512i left_codes = _mm512_loadu_si512(unit);
    const __m512i right_codes = _mm512_loadu_si512(unit + 64);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      int32_t word;
      std::memcpy(&word, rows + r * kVnniStep + 4 * u, sizeof word);
      const __m512i codes = _mm512_set1_epi32(word);
      const int sum = u % kSets * kRows + r;
      left[sum] = _mm512_dpbusd_epi32(left[sum], codes, left_codes);
      right[sum] = _mm512_dpbusd_epi32(right[sum], codes, right_codes);
    }
  }
}

template <int kRows>
NAMP_VNNI void multiply_rows(const Int8Tile& tile) {
  constexpr int kSets = kRows == 1 ? 4 : kRows <= 3 ? 2 : 1;
  __m512i left[kRows * kSets];
  __m512i right[kRows * kSets];
#pragma GCC unroll 16
  for (int i = 0; i < kRows * kSets; ++i)
    left[i] = right[i] = _mm512_setzero_si512();
  const uint8_t* rows = tile.rows;
  const uint8_t* units = tile.units;
  int64_t count = tile.unit_count;
  for (; count >= kLineUnits; count -= kLineUnits) {
    for (int64_t u = 0; u < kLineUnits; u += 4, rows += 16, units += 4 * kInt8UnitBytes)
      add_units<kRows, kSets, 4>(rows, units, left, right);
    rows += (kRows - 1) * kVnniStep;
  }
  for (; count > 0; --count, rows += 4, units += kInt8UnitBytes)
    add_units<kRows, kSets, 1>(rows, units, left, right);
  const __m512i left_corrections = _mm512_loadu_si512(tile.corrections);
  const __m512i right_corrections = _mm512_loadu_si512(tile.corrections + 16);
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int set = 1; set < kSets; ++set) {
      left[r] = _mm512_add_epi32(left[r], left[set * kRows + r]);
      right[r] = _mm512_add_epi32(right[r], right[set * kRows + r]);
    }
    int32_t* out = tile.sums + r * tile.stride;
    _mm512_storeu_si512(out, _mm512_sub_epi32(left[r], left_corrections));
    _mm512_storeu_si512(out + 16, _mm512_sub_epi32(right[r], right_corrections));
  }
}

void multiply(const Int8Tile& tile) {
  using Rows = void (*)(const Int8Tile&);
  static constexpr Rows kByRows[kInt8BlockRows] = {
      &multiply_rows<1>, &multiply_rows<2>,  &multiply_rows<3>,  &multiply_rows<4>,
      &multiply_rows<5>, &multiply_rows<6>,  &multiply_rows<7>,  &multiply_rows<8>,
      &multiply_rows<9>, &multiply_rows<10>, &multiply_rows<11>, &multiply_rows<12>};
  kByRows[tile.count - 1](tile);
}

constexpr Int8Kernel kDots{&row_bytes, &pack_rows, &multiply, 128};

}  // namespace

const Int8Kernel* int8_kernel_by_dots(namp_simd simd) { return has_vnni(simd) ? &kDots : nullptr; }

}  // namespace namp

#elif !defined(NAMP_DOTPROD)

namespace namp {

const Int8Kernel* int8_kernel_by_dots(namp_simd) { return nullptr; }

}  // namespace namp

#endif
