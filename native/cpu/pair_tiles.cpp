#include "cpu/pair_tiles.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

namespace namp {
namespace {

// AMX has eight tiles of 16 rows of 64 bytes. Four hold C, two A and two B.
constexpr int64_t kTileSide = 16;

#define NAMP_DOTS __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define NAMP_AMX __attribute__((target("amx-tile,amx-bf16")))

const char* unit(const void* base, int64_t units) {
  return static_cast<const char*>(base) + units * 4;
}

// C[kRows, kPairColumns] = [C +] A B, by vdpbf16ps.
template <int kRows>
NAMP_DOTS void multiply_dots(const TileOperands& operands, float* c, int64_t ldc, bool accumulate) {
  __m512 left[kRows];
  __m512 right[kRows];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    left[r] = accumulate ? _mm512_loadu_ps(c + r * ldc) : _mm512_setzero_ps();
    right[r] = accumulate ? _mm512_loadu_ps(c + r * ldc + kTileSide) : _mm512_setzero_ps();
  }
  const int64_t a_row = operands.a_row * 4;
  const int64_t b_depth = operands.b_depth * 4;
  const int64_t a_depth = operands.a_depth * 4;
  for (int64_t run = 0; run < operands.runs; ++run) {
    const char* a = unit(operands.a, operands.a_run(run));
    const char* b = unit(operands.b, operands.b_run(run));
    for (int64_t k = 0; k < operands.depth; ++k, a += a_depth, b += b_depth) {
      const auto b_left = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b));
      const auto b_right = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + 64));
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        int32_t pair;
        std::memcpy(&pair, a + r * a_row, sizeof(pair));
        const auto both = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
        left[r] = _mm512_dpbf16_ps(left[r], both, b_left);
        right[r] = _mm512_dpbf16_ps(right[r], both, b_right);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    _mm512_storeu_ps(c + r * ldc, left[r]);
    _mm512_storeu_ps(c + r * ldc + kTileSide, right[r]);
  }
}

void multiply_by_dots(const TileOperands& operands, int64_t b_panel, float* c, int64_t ldc,
                      int64_t rows, int64_t columns, bool accumulate) {
  TileOperands tile = operands;
  for (int64_t column = 0; column < columns; column += kPairColumns) {
    tile.b = unit(operands.b, column / kPairColumns * b_panel);
    for (int64_t row = 0; row < rows;) {
      tile.a = unit(operands.a, row * operands.a_row);
      float* out = c + row * ldc + column;
      const int64_t left = rows - row;
      if (left >= 12) {
        multiply_dots<12>(tile, out, ldc, accumulate);
        row += 12;
      } else if (left >= 8) {
        multiply_dots<8>(tile, out, ldc, accumulate);
        row += 8;
      } else if (left >= 4) {
        multiply_dots<4>(tile, out, ldc, accumulate);
        row += 4;
      } else {
        multiply_dots<1>(tile, out, ldc, accumulate);
        row += 1;
      }
    }
  }
}

#if defined(__linux__)

// The tiles' sizes, as LDTILECFG reads them: palette 1, bytes of a row and rows of each tile.
struct alignas(64) TileSizes {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileSizes kTileSizes;

// C[kPairRows * kBands, kPairColumns] = [C +] A B, by tdpbf16ps.
template <int kBands>
NAMP_AMX void multiply_tiles(const TileOperands& operands, float* c, int64_t ldc, bool accumulate) {
  const int64_t c_row = ldc * 4;
  float* lower_c = c + kTileSide * ldc;
  if (accumulate) {
    _tile_loadd(0, c, c_row);
    _tile_loadd(1, c + kTileSide, c_row);
    if (kBands == 2) {
      _tile_loadd(2, lower_c, c_row);
      _tile_loadd(3, lower_c + kTileSide, c_row);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    if (kBands == 2) {
      _tile_zero(2);
      _tile_zero(3);
    }
  }
  const int64_t a_row = operands.a_row * 4;
  const int64_t b_row = operands.b_depth * 4;
  const char* a = unit(operands.a, 0);
  for (int64_t run = 0; run < operands.runs; ++run) {
    const char* b = unit(operands.b, operands.b_run(run));
    for (int64_t k = 0; k < operands.depth; k += kTileSide) {
      _tile_loadd(6, b, b_row);
      _tile_loadd(7, b + 64, b_row);
      _tile_loadd(4, a, a_row);
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
      if (kBands == 2) {
        _tile_loadd(5, a + kTileSide * a_row, a_row);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      }
      a += 64;
      b += kTileSide * b_row;
    }
  }
  _tile_stored(0, c, c_row);
  _tile_stored(1, c + kTileSide, c_row);
  if (kBands == 2) {
    _tile_stored(2, lower_c, c_row);
    _tile_stored(3, lower_c + kTileSide, c_row);
  }
}

// The tiles are a thread's own, and in their initial state outside of this: the kernel then has
// less to save, and oneDNN finds no sizes that are not its own.
NAMP_AMX void multiply_by_amx(const TileOperands& operands, int64_t b_panel, float* c, int64_t ldc,
                              int64_t rows, int64_t columns, bool accumulate) {
  _tile_loadconfig(&kTileSizes);
  TileOperands tile = operands;
  for (int64_t column = 0; column < columns; column += kPairColumns) {
    tile.b = unit(operands.b, column / kPairColumns * b_panel);
    for (int64_t row = 0; row < rows; row += 2 * kTileSide) {
      tile.a = unit(operands.a, row * operands.a_row);
      float* out = c + row * ldc + column;
      if (rows - row > kTileSide) {
        multiply_tiles<2>(tile, out, ldc, accumulate);
      } else {
        multiply_tiles<1>(tile, out, ldc, accumulate);
      }
    }
  }
  _tile_release();
}

constexpr PairTiles kPairAmx{&multiply_by_amx, kTileSide, false};

#endif

constexpr PairTiles kPairDots{&multiply_by_dots, 1, kPanelsFitPairs};

}  // namespace

const PairTiles* pair_tiles(namp_simd simd, [[maybe_unused]] int64_t depth) {
  if (simd == NAMP_SIMD_AVX512_BF16) return &kPairDots;
#if defined(__linux__)
  // A tile is 32 elements deep: of shallower sums most of it would be empty.
  if (simd == NAMP_SIMD_AMX_BF16 && depth > kTileSide) return &kPairAmx;
#endif
  return nullptr;
}

}  // namespace namp

#else

namespace namp {

const PairTiles* pair_tiles(namp_simd, int64_t) { return nullptr; }

}  // namespace namp

#endif
