// Products of float rows and coded weights. Weights are decoded in registers, where they meet
// several rows of A. With one row the work is reading the codes.
//
// Every element has sixteen accumulators in the same order on every target, and additions of
// products round once (multiply_add), so that all targets give the same bits.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/code_gemm.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/reduce-inl.h"

#include <algorithm>
#include <cstring>

#include "cpu/cpu_backend.h"

#ifndef NAMP_CPU_CODE_GEMM_SHAPES
#define NAMP_CPU_CODE_GEMM_SHAPES
namespace namp {

// A step along k: codes that are decoded together, in two halves.
inline constexpr int64_t kCodeStep = 32;
inline constexpr int64_t kCodeHalf = 16;

// A piece of the output.
inline constexpr int64_t kCodePieceRows = 32;
inline constexpr int64_t kCodePieceColumns = 16;

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

inline constexpr int64_t kHalfLanes = kCodeHalf / kLanes;

// Half a step.
struct Half {
  Lane part[kHalfLanes];
};

// Two codes of 4 bits a byte: the first half of a step are the low ones.
struct Int4Codes {
  static constexpr int64_t kBytes = kCodeStep / 2;

  static HWY_INLINE void decode(const uint8_t* p, Half& first, Half& second) {
#pragma GCC unroll 16
    for (int64_t i = 0; i < kHalfLanes; ++i) {
      const auto pairs = hn::PromoteTo(BitsTag(), hn::LoadU(ByteTag(), p + i * kLanes));
      first.part[i] = level(LaneBits(pairs));
      second.part[i] = level(LaneBits(hn::ShiftRight<4>(pairs)));
    }
  }

 private:
  static HWY_INLINE Lane level(LaneBits code) {
#if HWY_TARGET == HWY_AVX3
    // A lookup reads only the low 4 bits of an index.
    alignas(64) static constexpr float kLevels[16] = {-8, -7, -6, -5, -4, -3, -2, -1,
                                                      0,  1,  2,  3,  4,  5,  6,  7};
    const LaneTag tag;
    return Lane(hn::TableLookupLanes(hn::Load(tag, kLevels), hn::IndicesFromVec(tag, code.raw)));
#else
    return to_float(code & 15u) - Lane(8.0f);
#endif
  }
};

// Signed bytes in their order.
struct Int8Codes {
  static constexpr int64_t kBytes = kCodeStep;
  using Tag = hn::Rebind<int8_t, LaneTag>;

  static HWY_INLINE void decode(const uint8_t* p, Half& first, Half& second) {
#pragma GCC unroll 16
    for (int64_t i = 0; i < kHalfLanes; ++i) {
      first.part[i] = level(p + i * kLanes);
      second.part[i] = level(p + kCodeHalf + i * kLanes);
    }
  }

 private:
  static HWY_INLINE Lane level(const uint8_t* p) {
    const auto codes = hn::LoadU(Tag(), reinterpret_cast<const int8_t*>(p));
    return Lane(hn::ConvertTo(LaneTag(), hn::PromoteTo(SignedTag(), codes)));
  }
};

// Some elements of the output, one group of columns after the other.
template <class Codes, int kRows, int kColumns>
class Tile {
 public:
  HWY_INLINE Tile(const float* a, int64_t a_row, const uint8_t* codes, int64_t codes_row)
      : a_(a), a_row_(a_row), codes_(codes), codes_row_(codes_row) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c)
        clear(totals_[r][c]);
    }
  }

  // A group of whole steps.
  HWY_INLINE void group(int64_t steps, const float* scales, int64_t scales_row) {
    begin();
    for (int64_t step = 0; step < steps; ++step) {
      Half first[kColumns];
      Half second[kColumns];
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c)
        Codes::decode(codes_ + c * codes_row_, first[c], second[c]);
      add(first, second);
      codes_ += Codes::kBytes;
      a_ += kCodeStep;
    }
    if (tail_ != 0) {
      Half first[kColumns];
      Half second[kColumns];
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c) {
        uint8_t buffer[Codes::kBytes] = {};
        std::memcpy(buffer, codes_ + c * codes_row_, static_cast<size_t>(tail_));
        Codes::decode(buffer, first[c], second[c]);
      }
      add(first, second);
    }
    end(scales, scales_row);
  }

  // Bytes of codes after the steps of a group; A has zeros for the rest of the step.
  HWY_INLINE void set_tail(int64_t bytes) { tail_ = bytes; }

  HWY_INLINE void store(float* out, int64_t out_row) const {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c)
        out[r * out_row + c] = sum(totals_[r][c]);
    }
  }

 private:
  static HWY_INLINE void clear(Half& half) {
#pragma GCC unroll 16
    for (int64_t i = 0; i < kHalfLanes; ++i)
      half.part[i] = Lane(0.0f);
  }

  // i with i + 8, then as within a lane.
  static HWY_INLINE float sum(Half half) {
#pragma GCC unroll 16
    for (int64_t width = kHalfLanes / 2; width > 0; width /= 2) {
#pragma GCC unroll 16
      for (int64_t i = 0; i < width; ++i)
        half.part[i] = half.part[i] + half.part[i + width];
    }
    return reduce_lane(half.part[0], Plus());
  }

  HWY_INLINE void begin() {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (int c = 0; c < kColumns; ++c) {
        clear(first_[r][c]);
        clear(second_[r][c]);
      }
    }
  }

  HWY_INLINE void add(const Half (&first)[kColumns], const Half (&second)[kColumns]) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const float* a = a_ + r * a_row_;
#pragma GCC unroll 16
      for (int64_t i = 0; i < kHalfLanes; ++i) {
        const Lane early = load(a + i * kLanes);
        const Lane late = load(a + kCodeHalf + i * kLanes);
#pragma GCC unroll 16
        for (int c = 0; c < kColumns; ++c) {
          first_[r][c].part[i] = multiply_add(early, first[c].part[i], first_[r][c].part[i]);
          second_[r][c].part[i] = multiply_add(late, second[c].part[i], second_[r][c].part[i]);
        }
      }
    }
  }

  HWY_INLINE void end(const float* scales, int64_t scales_row) {
#pragma GCC unroll 16
    for (int c = 0; c < kColumns; ++c) {
      const Lane scale(scales[c * scales_row]);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
        for (int64_t i = 0; i < kHalfLanes; ++i) {
          const Lane both = first_[r][c].part[i] + second_[r][c].part[i];
          totals_[r][c].part[i] = multiply_add(both, scale, totals_[r][c].part[i]);
        }
      }
    }
  }

  const float* a_;
  int64_t a_row_;
  const uint8_t* codes_;
  int64_t codes_row_;
  int64_t tail_ = 0;
  Half totals_[kRows][kColumns];
  Half first_[kRows][kColumns];
  Half second_[kRows][kColumns];
};

template <class Codes, int kRows, int kColumns>
HWY_NOINLINE void multiply_codes(const CodeProduct& product, int64_t row, int64_t column,
                                 float* out) {
  const namp_code_gemm_args& args = *product.args;
  const bool whole_row = args.group == 0;
  const int64_t groups = whole_row ? 1 : (args.k + args.group - 1) / args.group;
  const int64_t codes_row = whole_row ? args.k : groups * args.group / 2;
  const uint8_t* codes = codes_row == 0 ? nullptr : args.codes + column * codes_row;
  const float* scales = groups == 0 ? nullptr : args.scales + column * groups;
  Tile<Codes, kRows, kColumns> tile(product.a + row * product.padded, product.padded, codes,
                                    codes_row);
  if (whole_row) tile.set_tail(args.k % kCodeStep);
  const int64_t steps = (whole_row ? args.k : args.group) / kCodeStep;
  for (int64_t g = 0; g < groups; ++g)
    tile.group(steps, scales + g, groups);
  tile.store(out, kCodePieceColumns);
}

// A tile keeps its sums in registers: AVX-512 has 32 of sixteen elements.
inline constexpr int kWideRows = kLanes >= 16 ? 4 : 2;
inline constexpr int kWideColumns = kLanes >= 16 ? 2 : 1;
inline constexpr int kFlatColumns = kLanes >= 16 ? 4 : 2;

template <class Codes>
void multiply_piece(const CodeProduct& product, int64_t row, int64_t rows, int64_t column,
                    int64_t columns, float* out) {
  const auto at = [&](int64_t r, int64_t c) { return out + r * kCodePieceColumns + c; };
  int64_t r = 0;
  for (; r + kWideRows <= rows; r += kWideRows) {
    int64_t c = 0;
    for (; c + kWideColumns <= columns; c += kWideColumns)
      multiply_codes<Codes, kWideRows, kWideColumns>(product, row + r, column + c, at(r, c));
    if (kWideColumns > 1 && c < columns)
      multiply_codes<Codes, kWideRows, 1>(product, row + r, column + c, at(r, c));
  }
  for (; r < rows; ++r) {
    int64_t c = 0;
    for (; c + kFlatColumns <= columns; c += kFlatColumns)
      multiply_codes<Codes, 1, kFlatColumns>(product, row + r, column + c, at(r, c));
    for (; c < columns; ++c)
      multiply_codes<Codes, 1, 1>(product, row + r, column + c, at(r, c));
  }
}

// The outputs of a piece.
void multiply_code_piece(const CodeProduct& product, int64_t row, int64_t rows, int64_t column,
                         int64_t columns) {
  const namp_code_gemm_args& args = *product.args;
  float sums[kCodePieceRows * kCodePieceColumns];
  args.bits == 4 ? multiply_piece<Int4Codes>(product, row, rows, column, columns, sums)
                 : multiply_piece<Int8Codes>(product, row, rows, column, columns, sums);
  with_element(args.c_dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const float* bias = args.bias == nullptr ? nullptr : args.bias + column;
    for (int64_t r = 0; r < rows; ++r) {
      const float* in = sums + r * kCodePieceColumns;
      T* out = static_cast<T*>(args.c) + (row + r) * args.n + column;
      for_lanes(columns, [=](int64_t i, auto part) NAMP_LANES {
        Lane x = load(in + i, part);
        if (bias != nullptr) x = x + load(bias + i, part);
        store(same_nan(x, Lane(0.0f)), out + i, part);
      });
    }
  });
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

void CpuBackend::code_gemm(const namp_code_gemm_args& args, namp_stream stream) {
  const int64_t unit = args.group == 0 ? kCodeStep : args.group;
  const int64_t padded = (args.k + unit - 1) / unit * unit;
  float* a = reinterpret_cast<float*>(
      worker_scratch(args.m, padded * static_cast<int64_t>(sizeof(float)), stream));
  const auto prepare = prepare_code_rows_by_simd(simd_);
  if (args.k != 0) {
    threads_.parallel_for(
        args.m, std::max<int64_t>(1, kChunkElements / padded),
        [&](int64_t begin, int64_t end) { prepare(args, a, padded, begin, end); });
  }
  const CodeProduct product{&args, a, padded};
  const auto multiply = multiply_code_piece_by_simd(simd_);
  const int64_t across = (args.n - 1) / kCodePieceColumns + 1;
  const int64_t down = (args.m - 1) / kCodePieceRows + 1;
  threads_.parallel_for(across * down, 1, [&](int64_t piece, int64_t) {
    const int64_t row = piece % down * kCodePieceRows;
    const int64_t column = piece / down * kCodePieceColumns;
    multiply(product, row, std::min(kCodePieceRows, args.m - row), column,
             std::min(kCodePieceColumns, args.n - column));
  });
}

}  // namespace namp
#endif
