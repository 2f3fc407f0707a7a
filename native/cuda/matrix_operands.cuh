// Operands of products that are matrices in memory, and the kernels of such products.
#pragma once

#include "cuda/platform.cuh"

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

  NAMP_DEVICE MatrixOperands(const GemmArgs& gemm, const TileOfC& tile)
      : a_(static_cast<const uint16_t*>(gemm.call.a) + tile.product * gemm.call.stride_a +
               (kTransposeA ? tile.row : tile.row * gemm.call.lda),
           gemm.call.lda, gemm.call.m - tile.row),
        b_(static_cast<const uint16_t*>(gemm.call.b) + tile.product * gemm.call.stride_b +
               (kTransposeB ? tile.column * gemm.call.ldb : tile.column),
           gemm.call.ldb, gemm.call.n - tile.column) {}

  // Of k, of the tile's sums. With alpha 0, A and B are not read.
  NAMP_DEVICE static int64_t depth(const GemmArgs& gemm, const TileOfC& tile) {
    return gemm.call.alpha != 0.0f ? depth_of_part(gemm, tile.product) : 0;
  }
  // Of the next slice, with depth_left of k, into a stage.
  NAMP_DEVICE void start(const GemmArgs&, uint32_t stage, int depth_left) {
    a_.start(stage, depth_left);
    b_.start(stage + TileA::kBytes, depth_left);
  }
  // The stage may be read after this, a wait for copies and a barrier.
  NAMP_DEVICE void land(const GemmArgs&, uint32_t stage, int depth_left) {
    a_.land(stage, depth_left);
    b_.land(stage + TileA::kBytes, depth_left);
  }

 private:
  ProductLoader<TileA, kThreads, kAsync> a_;
  ProductLoader<TileB, kThreads, kAsync> b_;
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
