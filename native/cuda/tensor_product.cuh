// Products of float16 and bfloat16 matrices on tensor cores, with float32 sums, rounded once. A block
// makes a tile of C over slices of k: while its warps multiply one slice, the next are on their way
// to shared memory. Each sum, or each of its parts, is added up along k by one warp, so its bits
// depend on neither the tile's size nor the device's; how a tensor core adds 8 or 16 products is its own.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/gemm_epilogue.cuh"
#include "cuda/product_tile.cuh"

namespace namp::cuda {

// The dtype of C: that of A and B, or float32.
template <class T>
struct FloatOr {
  template <class Part>
  NAMP_DEVICE Pack<Part::count> fetch(const void* data, int32_t dtype, int64_t i, Part part) const {
    return dtype == NAMP_FLOAT32 ? load(static_cast<const float*>(data) + i, part)
                                 : load(static_cast<const T*>(data) + i, part);
  }
  template <int kCount>
  NAMP_DEVICE const Pack<kCount>& wide(const Pack<kCount>& x) const {
    return x;
  }
  template <class Part>
  NAMP_DEVICE Pack<Part::count> put(const Pack<Part::count>& x, void* data, int32_t dtype,
                                    int64_t i, Part part) const {
    return dtype == NAMP_FLOAT32 ? OneType<float>().put(x, data, dtype, i, part)
                                 : OneType<T>().put(x, data, dtype, i, part);
  }
};

// Element is the dtype of A and B, Pair its arithmetic. A warp has 32 columns of the tile, and as many
// rows as make 8 warps of 128, 4 of 64.
template <class Element, class Pair, int kTile, int kThreads, bool kTransposeA, bool kTransposeB,
          bool kAsync>
class TensorProduct {
 public:
  using TileA = ProductTile<kTile, !kTransposeA>;
  using TileB = ProductTile<kTile, kTransposeB>;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kColumns = 32;  // of a warp
  static constexpr int kRows = kTile * kTile / kColumns / kWarps;
  using Slices = ProductSlices<TileA, TileB, kThreads, kAsync>;
  using Position = TilePosition<kTile, kRows, kColumns>;
  static constexpr int kWriteRows = 32;  // of a warp, that are written at a time
  static_assert(kRows % kWriteRows == 0);
  static constexpr int kRowBytes = kColumns * static_cast<int>(sizeof(float));
  static constexpr int kWarpBytes = (kWriteRows + 1) * kRowBytes;  // with the bias
  // Of shared memory: the slices, and when all are multiplied, rows of sums.
  static constexpr int kSliceBytes = Slices::kBytes;
  static constexpr int kSumBytes = kWarps * kWarpBytes;
  static constexpr int kBytes = kSliceBytes > kSumBytes ? kSliceBytes : kSumBytes;

  NAMP_DEVICE static void run(const GemmArgs& gemm, uint32_t memory) {
    const namp_gemm_args& args = gemm.call;
    const int64_t products = args.batch > 0 ? args.batch : 1;
    const int64_t tasks = products * blocks(args.m, kTile) * blocks(args.n, kTile);
    for (int64_t task = block_index(); task < tasks; task += block_count()) {
      TensorProduct product;
      product.multiply(gemm, TileOfC(args.m, args.n, task, kTile), memory);
      // Which tile it was is found again: meanwhile the sums have all registers.
      product.write(gemm, TileOfC(args.m, args.n, opaque(task), kTile), memory);
    }
  }

 private:
  float sums_[kRows / kRowsOfA][kColumns / 8][4] = {};

  NAMP_DEVICE void multiply(const GemmArgs& gemm, const TileOfC& tile, uint32_t memory) {
    const namp_gemm_args& args = gemm.call;
    const int64_t rest = gemm.whole_k - tile.product * args.k;
    const int64_t depth = gemm.whole_k != 0 && rest < args.k ? rest : args.k;
    const auto* a = static_cast<const uint16_t*>(args.a) + tile.product * args.stride_a +
                    (kTransposeA ? tile.row : tile.row * args.lda);
    const auto* b = static_cast<const uint16_t*>(args.b) + tile.product * args.stride_b +
                    (kTransposeB ? tile.column * args.ldb : tile.column);
    typename Slices::LoadA load_a(a, args.lda, args.m - tile.row);
    typename Slices::LoadB load_b(b, args.ldb, args.n - tile.column);
    const Position own(opaque(thread_index()));
    const uint32_t place_a = TileA::template lane_place<true>(own.lane, own.row);
    const uint32_t place_b = TileB::template lane_place<false>(own.lane, own.column);
    const int64_t there = args.alpha != 0.0f ? depth : 0;  // with alpha 0, A and B are not read
    Slices::each(load_a, load_b, there, memory, [&](uint32_t slice) {
      multiply_slice<Pair, TileA, TileB>(sums_, slice + place_a, slice + TileA::kBytes + place_b);
    });
  }

  // A lane's sums are two and two beside each other: through shared memory, 32 rows of a warp at a
  // time, it gets eight of a row, to be written as 16 bytes.
  NAMP_DEVICE void write(const GemmArgs& gemm, const TileOfC& tile, uint32_t memory) {
    const namp_gemm_args& args = gemm.call;
    constexpr int kPacks = kColumns / kPack;  // of a row
    // What follows from it is computed here, not before the loop over slices, where it would hold
    // registers.
    const Position own(opaque(thread_index()));
    const int lane = own.lane;
    const uint32_t region = memory + own.warp * kWarpBytes;
    // Of four floats: a row's lie in an order that keeps them, and pairs of them, in different banks.
    const auto place = [&](int row, int four) {
      return region +
             static_cast<uint32_t>(row * kRowBytes + (four ^ (row % 4 * 2 + row % 2)) * 16);
    };
    // A lane writes packs of the same columns.
    static_assert(kWarp % kPacks == 0);
    const int pack = lane % kPacks;
    const int64_t column = tile.column + own.column + pack * kPack;
    const Prefix part{args.n - column};
    // The columns' bias is behind the rows, for all of which it is read once.
    const uint32_t bias = region + kWriteRows * kRowBytes + pack * 32;
    if (args.bias != nullptr && gemm.bias_by_row == 0 && lane < kPacks && part.there > 0) {
      const Pack<kPack> x = load_bias(gemm, Place{0, column, 0, 0}, part);
      store_shared_floats(bias, x.at);
      store_shared_floats(bias + 16, x.at + 4);
    }
    constexpr int kParts = kWriteRows / kRowsOfA;
#pragma unroll 1
    for (int first = 0; first < kRows; first += kWriteRows) {
      warp_barrier();  // the rows before have been read
#pragma unroll
      for (int i = 0; i < kParts; ++i) {
#pragma unroll
        for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            store_shared_pair(
                place(i * kRowsOfA + lane / 4 + half * 8, n * 2 + lane % 4 / 2) + lane % 2 * 8,
                sums_[i][n][half * 2], sums_[i][n][half * 2 + 1]);
          }
        }
      }
      // The next rows move up: one code writes all, and the sums that it does not need any more have
      // no registers.
#pragma unroll
      for (int i = 0; i < kRows / kRowsOfA - kParts; ++i) {
#pragma unroll
        for (int n = 0; n < kColumns / 8; ++n) {
#pragma unroll
          for (int j = 0; j < 4; ++j)
            sums_[i][n][j] = sums_[i + kParts][n][j];
        }
      }
      warp_barrier();
#pragma unroll 1
      for (int line = lane / kPacks; line < kWriteRows; line += kWarp / kPacks) {
        const int64_t row = tile.row + own.row + first + line;
        if (row >= args.m || part.there <= 0) continue;
        Pack<kPack> x;
        load_shared_floats(x.at, place(line, pack * 2));
        load_shared_floats(x.at + 4, place(line, pack * 2 + 1));
        const Place at{row, column, tile.product * args.stride_c + row * args.ldc + column, 0};
        x = scale_sums(args, FloatOr<Element>(), x, at, part);
        if (args.bias != nullptr) {
          Pack<kPack> more;
          if (gemm.bias_by_row != 0) {
            more = load_bias(gemm, at, part);
          } else {
            load_shared_floats(more.at, bias);
            load_shared_floats(more.at + 4, bias + 16);
          }
          x = map(Plus(), x, more);
        }
        if (args.activation_kept != nullptr) {
          x = multiply_by_slope(args, FloatOr<Element>(), x, at, part);
          FloatOr<Element>().put(x, args.c, args.c_dtype, at.at, part);
        } else {
          finish(args, FloatOr<Element>(), x, at, part);
        }
      }
    }
  }
};

// The kernels of a dtype: dtype_transposes_tile. wide and narrow: blocks with tiles of 128 and 64 that a
// multiprocessor should hold.
#define NAMP_TENSOR_PRODUCT(name, Element, Pair, tile, threads, blocks, a, b, async) \
  NAMP_KERNEL(threads, blocks)                                                       \
  gemm_##name##_##tile##_kernel(NAMP_GRID_CONSTANT const GemmArgs gemm) {            \
    using Product = TensorProduct<Element, Pair, tile, threads, a, b, async>;        \
    alignas(256) __shared__ unsigned char memory[Product::kBytes];                   \
    Product::run(gemm, shared_address(memory));                                      \
  }
#define NAMP_TENSOR_PRODUCTS_OF(name, Element, Pair, wide, narrow, a, b, async)      \
  NAMP_TENSOR_PRODUCT(name, Element, Pair, 128, kWideTileThreads, wide, a, b, async) \
  NAMP_TENSOR_PRODUCT(name, Element, Pair, 64, kNarrowTileThreads, narrow, a, b, async)
#define NAMP_TENSOR_PRODUCTS(name, Element, Pair, wide, narrow, async)                 \
  NAMP_TENSOR_PRODUCTS_OF(name##_nn, Element, Pair, wide, narrow, false, false, async) \
  NAMP_TENSOR_PRODUCTS_OF(name##_nt, Element, Pair, wide, narrow, false, true, async)  \
  NAMP_TENSOR_PRODUCTS_OF(name##_tn, Element, Pair, wide, narrow, true, false, async)  \
  NAMP_TENSOR_PRODUCTS_OF(name##_tt, Element, Pair, wide, narrow, true, true, async)

}  // namespace namp::cuda
