// Products of 8-bit integers on tensor cores, as tensor_product.cuh's of float16: two bytes lie where
// that has an element. Sums are exact, so their order does not matter; scales and bias follow in
// float32, in the order that namp_int8_gemm_args says.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/int8_kernels.h"
#include "cuda/product_loaders.cuh"
#include "cuda/view.cuh"
#include "formulas/integer_codes.h"

namespace namp::cuda {

NAMP_DEVICE float int8_row_scale(const namp_int8_gemm_args& args, int64_t row) {
  return load_or(args.a_scales, row, args.a_scale);
}

// What a column's sums have to lose: the zero point times the sum of B's codes.
NAMP_DEVICE uint32_t int8_correction(const namp_int8_gemm_args& args, int32_t sum_of_b) {
  return static_cast<uint32_t>(args.a_zero_point) * static_cast<uint32_t>(sum_of_b);
}

// Scales and bias of a column.
struct Int8Column {
  float scale;
  float bias;

  NAMP_DEVICE Int8Column(const namp_int8_gemm_args& args, int64_t column)
      : scale(load(args.b_scales + column)), bias(load_or(args.bias, column, 0.0f)) {}
  // sum wraps; the difference does not.
  NAMP_DEVICE float value(const namp_int8_gemm_args& args, int32_t sum, uint32_t correction,
                          float row_scale) const {
    const float exact = to_float(static_cast<uint32_t>(sum) - correction);
    return same_nan(scale_sum(exact, row_scale, scale, args.bias != nullptr, bias), 0.0f);
  }
};

// Two elements beside each other, of which the second may not be there.
struct Pair {
  bool both;

  template <class T>
  NAMP_DEVICE void store(const Pack<2>& x, T* p) const {
    const auto raw = narrow(x, ElementType<T>());
    if (both && reinterpret_cast<uintptr_t>(p) % sizeof(raw) == 0) {
      typename WordOf<sizeof(raw)>::Type word;
      memcpy(&word, &raw, sizeof(raw));
      store_global(reinterpret_cast<decltype(word)*>(p), word);
    } else {
      store_global(p, raw.at[0]);
      if (both) store_global(p, raw.at[1], 1);
    }
  }
};

template <int kTile, int kThreads, bool kAsync>
class Int8Product {
 public:
  using Tile = ProductTile<kTile, true>;
  using Words = WordLoader<Tile, kThreads, kAsync, uint8_t>;
  using Elements = ProductLoader<Tile, kThreads, kAsync, uint8_t>;
  using Slices = ProductSlices<Tile, Tile, kAsync, Words::kDepthParts>;
  static constexpr int kColumns = 32;  // of a warp
  static constexpr int kRows = kTile * kTile / kColumns / (kThreads / kWarp);
  using Position = TilePosition<kTile, kRows, kColumns>;
  // The corrections of the tile's columns lie where slices were.
  static constexpr int kBytes = Slices::kBytes;

  NAMP_DEVICE static void run(const Int8TileArgs& call, uint32_t memory) {
    const namp_int8_gemm_args& args = call.call;
    const int64_t tasks = blocks(args.m, kTile) * blocks(args.n, kTile);
    for (int64_t task = block_index(); task < tasks; task += block_count()) {
      Int8Product product;
      product.multiply(args, TileOfC(call.tiles, task, kTile, kTile), memory);
      const TileOfC tile(call.tiles, opaque(task), kTile, kTile);
      with_element(args.c_dtype, [&](auto element) {
        product.template write<typename decltype(element)::Type>(args, tile, memory);
      });
    }
  }

 private:
  static constexpr int kParts = kRows / kRowsOfA;
  static constexpr int kTiles = kColumns / 8;

  int32_t sums_[kParts][kTiles][4] = {};

  NAMP_DEVICE void multiply(const namp_int8_gemm_args& args, const TileOfC& tile, uint32_t memory) {
    const auto* a = reinterpret_cast<const uint8_t*>(args.a) + tile.row * args.k;
    const auto* b = static_cast<const uint8_t*>(args.b) + tile.column * args.k;
    const Position own(thread_index());
    const uint32_t place_a = Tile::template lane_place<true>(own.lane, own.row);
    const uint32_t place_b = Tile::template lane_place<false>(own.lane, own.column);
    // Two threads add up a line of B.
    static_assert(kThreads == 2 * kTile && Tile::kWords == 4);
    int32_t sum_of_b = 0;
    const auto multiply_by = [&](auto loaders) {
      Slices::each(loaders, args.k, memory, [&](uint32_t slice) {
        const uint32_t at_b = slice + Tile::kBytes;
        multiply_slice<Int8Four, Tile, Tile>(sums_, slice + place_a, at_b + place_b);
        if (args.a_zero_point == 0) return;
        const int thread = own_thread();
#pragma unroll
        for (int word = 0; word < 2; ++word) {
          const int place = Tile::place(thread / 2, thread % 2 * 2 + word);
          sum_of_b = add_bytes(load_shared_words(at_b + static_cast<uint32_t>(place)), sum_of_b);
        }
      });
    };
    const int64_t rows = args.m - tile.row;
    const int64_t columns = args.n - tile.column;
    if (kTile == kWideTile || are_int8_words(reinterpret_cast<uintptr_t>(args.a),
                                             reinterpret_cast<uintptr_t>(args.b), args.k)) {
      multiply_by(LoaderPair(Words(a, args.k, rows), Words(b, args.k, columns)));
    } else {
      multiply_by(LoaderPair(Elements(a, args.k, rows), Elements(b, args.k, columns)));
    }
    const int thread = own_thread();
    sum_of_b += exchange(sum_of_b, 1);
    if (thread % 2 == 0) {
      store_shared(memory + static_cast<uint32_t>(thread * 2), int8_correction(args, sum_of_b));
    }
    barrier();
  }

  template <class T>
  NAMP_DEVICE void write(const namp_int8_gemm_args& args, const TileOfC& tile, uint32_t memory) {
    const Position own(own_thread());
    T* c = static_cast<T*>(args.c);
#pragma unroll 1
    for (int part = 0; part < kParts; ++part) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        const int in_tile = own.column + n * 8 + own.lane % 4 * 2;
        const int64_t column = tile.column + in_tile;
        if (column >= args.n) continue;
        // The column behind the last is the last again.
        const Pair pair{column + 1 < args.n};
        const Int8Column columns[2] = {Int8Column(args, column),
                                       Int8Column(args, pair.both ? column + 1 : column)};
        const uint32_t at = memory + static_cast<uint32_t>(in_tile * 4);
        const uint32_t corrections[2] = {load_shared(at), load_shared(at + 4)};
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int64_t row = tile.row + own.row + part * kRowsOfA + own.lane / 4 + half * 8;
          if (row >= args.m) continue;
          const float row_scale = int8_row_scale(args, row);
          Pack<2> x;
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            x.at[j] = columns[j].value(args, sums_[0][n][half * 2 + j], corrections[j], row_scale);
          }
          pair.store(x, c + row * args.n + column);
        }
      }
      // The next rows move up: one code writes all.
#pragma unroll
      for (int i = 0; i < kParts - 1; ++i) {
#pragma unroll
        for (int n = 0; n < kTiles; ++n) {
#pragma unroll
          for (int j = 0; j < 4; ++j)
            sums_[i][n][j] = sums_[i + 1][n][j];
        }
      }
    }
  }
};

// blocks: of them a multiprocessor should hold.
#define NAMP_INT8_PRODUCT(name, tile, threads, blocks, async)                   \
  NAMP_KERNEL(threads, blocks)                                                  \
  int8_gemm_##name##tile##_kernel(NAMP_GRID_CONSTANT const Int8TileArgs args) { \
    using Product = Int8Product<tile, threads, async>;                          \
    alignas(256) __shared__ unsigned char memory[Product::kBytes];              \
    Product::run(args, shared_address(memory));                                 \
  }

}  // namespace namp::cuda
