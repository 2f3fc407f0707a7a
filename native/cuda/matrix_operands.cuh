// Operands of products that are matrices in memory, and the kernels of such products.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/product_loaders.cuh"
#include "cuda/tensor_product.cuh"

namespace namp::cuda {

template <int kSide, int kThreads, bool kTransposeA, bool kTransposeB, bool kAsync>
class MatrixOperands {
 public:
  using Args = GemmArgs;
  using Result = DenseResult<GemmArgs>;
  using TileA = ProductTile<kSide, !kTransposeA>;
  using TileB = ProductTile<kSide, kTransposeB>;
  static constexpr bool kMaySumRows = kTransposeA;
  static constexpr bool kHasEpilogue = true;  // bias and activation
  static constexpr bool kKeepsPosition = false;

  // Of k, of the tile's sums. With alpha 0, A and B are not read.
  NAMP_DEVICE static int64_t depth(const GemmArgs& gemm, const TileOfC& tile) {
    return gemm.call.alpha != 0.0f ? depth_of_part(gemm, tile.product) : 0;
  }
  // Calls body with what brings the tile's slices.
  template <class Body>
  NAMP_DEVICE static void with_loaders(const GemmArgs& gemm, const TileOfC& tile, Body&& body) {
    const namp_gemm_args& call = gemm.call;
    const auto* a = static_cast<const uint16_t*>(call.a) + tile.product * call.stride_a +
                    (kTransposeA ? tile.row : tile.row * call.lda);
    const auto* b = static_cast<const uint16_t*>(call.b) + tile.product * call.stride_b +
                    (kTransposeB ? tile.column * call.ldb : tile.column);
    const int64_t rows = call.m - tile.row;
    const int64_t columns = call.n - tile.column;
    using WordsOfA = WordLoader<TileA, kThreads, kAsync>;
    using WordsOfB = WordLoader<TileB, kThreads, kAsync>;
    const auto by_words = [&] {
      body(LoaderPair(WordsOfA(a, call.lda, rows), WordsOfB(b, call.ldb, columns)));
    };
    // A block of large tiles has registers for one of the two.
    if constexpr (kSide == kWideTile) {
      by_words();
    } else if (gemm.are_words != 0) {
      by_words();
    } else {
      body(LoaderPair(ProductLoader<TileA, kThreads, kAsync>(a, call.lda, rows),
                      ProductLoader<TileB, kThreads, kAsync>(b, call.ldb, columns)));
    }
  }
};

// The kernels of a dtype: dtype_transposes_tile. wide and narrow: blocks with tiles of 128 and 64 that a
// multiprocessor should hold.
#define NAMP_MATRIX_PRODUCT(name, Element, Pair, tile, threads, blocks, a, b, async)        \
  NAMP_TENSOR_PRODUCT(gemm_##name##_##tile##_kernel, Element, Pair, threads, blocks, async, \
                      MatrixOperands<tile, threads, a, b, async>)
#define NAMP_MATRIX_PRODUCTS_OF(name, Element, Pair, wide, narrow, a, b, async)      \
  NAMP_MATRIX_PRODUCT(name, Element, Pair, 128, kWideTileThreads, wide, a, b, async) \
  NAMP_MATRIX_PRODUCT(name, Element, Pair, 64, kNarrowTileThreads, narrow, a, b, async)
#define NAMP_MATRIX_PRODUCTS(name, Element, Pair, wide, narrow, async)                 \
  NAMP_MATRIX_PRODUCTS_OF(name##_nn, Element, Pair, wide, narrow, false, false, async) \
  NAMP_MATRIX_PRODUCTS_OF(name##_nt, Element, Pair, wide, narrow, false, true, async)  \
  NAMP_MATRIX_PRODUCTS_OF(name##_tn, Element, Pair, wide, narrow, true, false, async)  \
  NAMP_MATRIX_PRODUCTS_OF(name##_tt, Element, Pair, wide, narrow, true, true, async)

}  // namespace namp::cuda
