// Products of float rows and coded weights. With few rows the work is reading the codes: they are
// decoded in registers. With more, some columns are decoded into the first cache, where all rows
// meet them.
//
// Every element has sixteen accumulators in the same order on every target and for any number of
// rows, and additions of products round once (multiply_add), so that all give the same bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/code_gemm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/code_output-inl.h"
#include "cpu/coded_columns-inl.h"

#include <algorithm>
#include <type_traits>

#include "cpu/block_gemm.h"
#include "cpu/cpu_backend.h"

#ifndef NAMP_CPU_CODE_GEMM_SHAPES
#define NAMP_CPU_CODE_GEMM_SHAPES
namespace namp {

// Fewer rows than kFewRows meet codes in registers, in pieces of kCodeFlatColumns.
inline constexpr int64_t kFewRows = 4;
inline constexpr int64_t kCodeFlatColumns = 16;
// With more rows, a piece's columns take turns: some are decoded a strip long, and beside them the
// rows of a tile fit into the first cache. A strip of all rows, and the sixteen sums of each of the
// piece's elements, fit into the second one.
inline constexpr int64_t kCodePieceRows = 96;
inline constexpr int64_t kCodePieceColumns = 48;
inline constexpr int64_t kCodeNearColumns = 12;
// The rows of every target's tile divide this.
inline constexpr int64_t kCodeRowBlock = 12;
inline constexpr int64_t kCodePieceSums = kCodePieceRows * kCodePieceColumns * kCodeHalf;

// The product with A as code_gemm has made it ready: float32, a row padded with zeros to whole
// steps and groups, and each step in the order in which its codes are decoded.
struct CodeProduct {
  const namp_code_gemm_args* args;
  const float* a;
  int64_t padded;  // elements of a row of a
};

}  // namespace namp
#endif

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// One row, and columns that are decoded in registers. The codes of the next columns are fetched into
// the first cache (kLocality 3) or the second one (2).
template <class Codes, int kColumns, int kLocality>
HWY_NOINLINE void multiply_codes(const CodeProduct& product, int64_t row, int64_t column,
                                 float* out) {
  const CodedColumns<Codes> columns(*product.args, column);
  const float* a = product.a + row * product.padded;
  const uint8_t* codes = columns.codes;
  Half sums[kColumns];
#pragma GCC unroll 16
  for (int c = 0; c < kColumns; ++c)
    clear(sums[c]);
  Half first;
  Half second;
  // The next codes come as fast as these go.
  constexpr int64_t kStepBytes = kColumns * Codes::kBytes;
  auto next = reinterpret_cast<uintptr_t>(codes) + kColumns * columns.row;
  for (int64_t g = 0; g < columns.groups; ++g) {
    typename Codes::Weights weights[kColumns];
#pragma GCC unroll 16
    for (int c = 0; c < kColumns; ++c)
      weights[c] = Codes::weights(columns.scales[c * columns.groups + g]);
    const int64_t left = columns.steps - g * columns.group_steps;
    for (int64_t step = 0; step < std::min(left, columns.group_steps); ++step) {
#pragma GCC unroll 16
      for (int64_t i = 0; i < kStepBytes; i += 64)
        __builtin_prefetch(reinterpret_cast<const void*>(next + i), 0, kLocality);
      next += kStepBytes;
      const Half early = load_half(a);
      const Half late = load_half(a + kCodeHalf);
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c) {
        Codes::decode(codes + c * columns.row, weights[c], first, second);
        add_product(sums[c], early, first);
        add_product(sums[c], late, second);
      }
      codes += Codes::kBytes;
      a += kCodeStep;
    }
  }
#pragma GCC unroll 16
  for (int c = 0; c < kColumns; ++c) {
    if (columns.tail != 0) {
      columns.decode_tail(c, first, second);
      add_product(sums[c], load_half(a), first);
      add_product(sums[c], load_half(a + kCodeHalf), second);
    }
    out[c] = sum_of(sums[c]) * columns.sum_scale(c);
  }
}

// AVX-512 has 32 registers of sixteen elements.
inline constexpr int kFlatColumns = kLanes >= 16 ? 8 : 2;
inline constexpr int kStripColumns = kLanes >= 16 ? 6 : 2;
inline constexpr int kStripRows = kLanes >= 16 ? 4 : 2;

// Steps of near columns that are decoded at a time: 24 KiB.
inline constexpr int64_t kStripSteps = 16;
inline constexpr int64_t kStripRow = kStripSteps * kCodeStep;

// Steps begin to end of some columns as float32. Columns that are not there are zeros.
template <class Codes>
HWY_NOINLINE void decode_strip(const CodedColumns<Codes>& columns, int64_t there, int64_t begin,
                               int64_t end, float* strip) {
  for (int64_t c = 0; c < kStripColumns; ++c) {
    float* out = strip + c * kStripRow;
    if (c >= there) {
      std::fill_n(out, (end - begin) * kCodeStep, 0.0f);
      continue;
    }
    Half first;
    Half second;
    for (int64_t step = begin; step < end;) {
      if (step == columns.steps) {
        columns.decode_tail(c, first, second);
        store_half(first, out);
        store_half(second, out + kCodeHalf);
        break;
      }
      const int64_t group = step / columns.group_steps;
      const auto weights = Codes::weights(columns.scales[c * columns.groups + group]);
      const int64_t stop = std::min(end, (group + 1) * columns.group_steps);
      for (; step < stop; ++step, out += kCodeStep) {
        Codes::decode(columns.codes + c * columns.row + step * Codes::kBytes, weights, first,
                      second);
        store_half(first, out);
        store_half(second, out + kCodeHalf);
      }
    }
  }
}

// Adds the products of rows of A and a strip to sums, sixteen for each element.
template <int kRows>
HWY_NOINLINE void multiply_strip(const float* a, int64_t a_row, const float* strip, int64_t steps,
                                 float* sums) {
  Half total[kRows][kStripColumns];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < kStripColumns; ++c)
      total[r][c] = load_half(sums + (r * kStripColumns + c) * kCodeHalf);
  }
  for (int64_t at = 0; at < steps * kCodeStep; at += kCodeHalf) {
    Half weights[kStripColumns];
#pragma GCC unroll 16
    for (int c = 0; c < kStripColumns; ++c)
      weights[c] = load_half(strip + c * kStripRow + at);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Half row = load_half(a + r * a_row + at);
#pragma GCC unroll 16
      for (int c = 0; c < kStripColumns; ++c)
        add_product(total[r][c], row, weights[c]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
    for (int c = 0; c < kStripColumns; ++c)
      store_half(total[r][c], sums + (r * kStripColumns + c) * kCodeHalf);
  }
}

// Many rows and the columns of a piece, a strip after the other. sums has kCodePieceSums elements.
template <class Codes>
void multiply_strips(const CodeProduct& product, int64_t row, int64_t rows, int64_t column,
                     int64_t columns, float* sums, float* out) {
  HWY_ALIGN float strips[kCodeNearColumns * kStripRow];
  constexpr int64_t kRowSums = kStripColumns * kCodeHalf;
  const int64_t column_sums = rows * kRowSums;
  std::fill_n(sums, divide_up(columns, kStripColumns) * column_sums, 0.0f);
  const CodedColumns<Codes> whole(*product.args, column);
  const int64_t steps = whole.steps + (whole.tail == 0 ? 0 : 1);
  for (int64_t begin = 0; begin < steps; begin += kStripSteps) {
    const int64_t end = std::min(steps, begin + kStripSteps);
    const float* a = product.a + row * product.padded + begin * kCodeStep;
    for (int64_t near = 0; near < columns; near += kCodeNearColumns) {
      const int64_t stop = std::min(columns, near + kCodeNearColumns);
      for (int64_t c = near; c < stop; c += kStripColumns)
        decode_strip(CodedColumns<Codes>(*product.args, column + c), columns - c, begin, end,
                     strips + (c - near) * kStripRow);
      // The columns take turns, while a tile's rows are in the first cache.
      const auto multiply = [&](auto tile, int64_t r) HWY_ATTR {
        float* to = sums + near / kStripColumns * column_sums + r * kRowSums;
        for (int64_t c = near; c < stop; c += kStripColumns, to += column_sums)
          multiply_strip<decltype(tile)::value>(a + r * product.padded, product.padded,
                                                strips + (c - near) * kStripRow, end - begin, to);
      };
      int64_t r = 0;
      for (; r + kStripRows <= rows; r += kStripRows)
        multiply(std::integral_constant<int, kStripRows>(), r);
      for (; r + 2 <= rows; r += 2)
        multiply(std::integral_constant<int, 2>(), r);
      if (r < rows) multiply(std::integral_constant<int, 1>(), r);
    }
  }
  // The sums of sixteen elements at once, row by row.
  const int64_t elements = rows * kStripColumns;
  for (int64_t c = 0; c < columns; c += kStripColumns) {
    const float* from = sums + c / kStripColumns * column_sums;
    for (int64_t i = 0; i < elements; i += kCodeHalf) {
      // At the end, some once more.
      const int64_t first = std::max<int64_t>(0, std::min(i, elements - kCodeHalf));
      float totals[kCodeHalf];
      sums_of(from + first * kCodeHalf, totals);
      for (int64_t j = 0; j < std::min(kCodeHalf, elements - first); ++j) {
        const int64_t r = (first + j) / kStripColumns;
        const int64_t at = c + (first + j) % kStripColumns;
        if (at < columns) out[r * kCodePieceColumns + at] = totals[j] * whole.sum_scale(at);
      }
    }
  }
}

// At most as many bytes of codes stay in the first cache, beside A, until they are read.
inline constexpr int64_t kNearBytes = 8 << 10;

template <class Codes>
void multiply_piece(const CodeProduct& product, int64_t row, int64_t rows, int64_t column,
                    int64_t columns, float* scratch, float* out) {
  if (rows >= kFewRows) {
    multiply_strips<Codes>(product, row, rows, column, columns, scratch, out);
    return;
  }
  const bool near = kFlatColumns * CodedColumns<Codes>(*product.args, 0).row <= kNearBytes;
  const auto multiply =
      near ? &multiply_codes<Codes, kFlatColumns, 3> : &multiply_codes<Codes, kFlatColumns, 2>;
  for (int64_t r = 0; r < rows; ++r) {
    float* to = out + r * kCodePieceColumns;
    int64_t c = 0;
    for (; c + kFlatColumns <= columns; c += kFlatColumns)
      multiply(product, row + r, column + c, to + c);
    for (; c < columns; ++c)
      multiply_codes<Codes, 1, 3>(product, row + r, column + c, to + c);
  }
}

// The outputs of a piece. scratch is used for more than a few rows.
void multiply_code_piece(const CodeProduct& product, int64_t row, int64_t rows, int64_t column,
                         int64_t columns, float* scratch) {
  const namp_code_gemm_args& args = *product.args;
  float sums[kCodePieceRows * kCodePieceColumns];
  args.bits == 4 ? multiply_piece<Int4Codes>(product, row, rows, column, columns, scratch, sums)
                 : multiply_piece<Int8Codes>(product, row, rows, column, columns, scratch, sums);
  store_code_sums(args, sums, kCodePieceColumns, row, rows, column, columns);
}

// Rows of A as CodeProduct has them.
void prepare_code_rows(const namp_code_gemm_args& args, float* a, int64_t padded, int64_t begin,
                       int64_t end) {
  with_element(args.a_dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    for (int64_t r = begin; r < end; ++r) {
      const T* in = static_cast<const T*>(args.a) + r * args.k;
      float* out = a + r * padded;
      map(
          out, args.k, [](Lane x) NAMP_LANES { return x; }, in);
      std::fill(out + args.k, out + padded, 0.0f);
      if (args.bits == 8) continue;
      for (float* step = out; step < out + padded; step += kCodeStep) {
        float natural[kCodeStep];
        std::copy(step, step + kCodeStep, natural);
        for (int64_t i = 0; i < kCodeHalf; ++i) {
          step[i] = natural[2 * i];
          step[kCodeHalf + i] = natural[2 * i + 1];
        }
      }
    }
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {

NAMP_SIMD_TABLE(multiply_code_piece);
NAMP_SIMD_TABLE(prepare_code_rows);

// Of a piece. Narrow ones read A more often, but there is one for every thread.
static int64_t code_piece_columns(int64_t m, int64_t n, int64_t down, int64_t workers) {
  if (m < kFewRows) return kCodeFlatColumns;
  int64_t columns = kCodePieceColumns;
  while (columns > kCodeNearColumns && divide_up(n, columns) * down < 4 * workers)
    columns /= 2;
  return columns;
}

void CpuBackend::code_gemm(const namp_code_gemm_args& args, namp_stream stream) {
  const int64_t unit = args.group == 0 ? kCodeStep : args.group;
  const int64_t padded = (args.k + unit - 1) / unit * unit;
  const int64_t workers = threads_.count();
  const int64_t blocks = divide_up(args.m, kCodeRowBlock);
  const int64_t down = divide_up(args.m, kCodePieceRows);
  const int64_t columns = code_piece_columns(args.m, args.n, down, workers);
  const int64_t across = divide_up(args.n, columns);
  const int64_t piece_bytes =
      args.m < kFewRows ? 0 : kCodePieceSums * static_cast<int64_t>(sizeof(float));
  // Codes of 8 bits meet rows of whole steps where they are.
  const bool ready = args.bits == 8 && args.a_dtype == NAMP_FLOAT32 && padded == args.k;
  char* scratch = worker_scratch(ready ? 0 : args.m, padded * static_cast<int64_t>(sizeof(float)),
                                 stream, workers * piece_bytes);
  float* a = reinterpret_cast<float*>(scratch + workers * piece_bytes);
  const auto prepare = prepare_code_rows_by_simd(simd_);
  if (args.k != 0 && !ready) {
    threads_.parallel_for(
        args.m, std::max<int64_t>(1, kChunkElements / padded),
        [&](int64_t begin, int64_t end) { prepare(args, a, padded, begin, end); });
  }
  const CodeProduct product{&args, ready ? static_cast<const float*>(args.a) : a, padded};
  const auto multiply = multiply_code_piece_by_simd(simd_);
  // Pieces of nearly equal numbers of blocks.
  threads_.split(across * down, [&](int64_t worker, int64_t begin, int64_t end) {
    auto* sums = reinterpret_cast<float*>(scratch + worker * piece_bytes);
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t row = blocks * (piece % down) / down * kCodeRowBlock;
      const int64_t last = std::min(args.m, blocks * (piece % down + 1) / down * kCodeRowBlock);
      const int64_t column = piece / down * columns;
      multiply(product, row, last - row, column, std::min(columns, args.n - column), sums);
    }
  });
}

}  // namespace namp
#endif
