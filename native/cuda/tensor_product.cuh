// Products of float16 and bfloat16 matrices on tensor cores, with float32 sums, rounded once. A block
// makes a tile of C over slices of k: while its warps multiply one slice, the next are on their way
// to shared memory. Each sum, or each of its parts, is added up along k by one warp, so its bits
// depend on neither the tile's size nor the device's; how a tensor core adds 8 or 16 products is its own.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/gemm_epilogue.cuh"
#include "cuda/product_tile.cuh"
#include "cuda/row_sums.cuh"

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

// The product that a kernel's argument describes.
NAMP_DEVICE const GemmArgs& gemm_of(const GemmArgs& gemm) { return gemm; }

// Where a tile's sums are written to: C of each product as the call has it. What is computed from it is
// computed where it is used: kept beside the sums, it would spill.
template <class Args>
struct DenseResult {
  static constexpr bool kMayScatter = false;

  NAMP_DEVICE DenseResult(const Args&, const TileOfC& tile) : product(tile.product) {}
  NAMP_DEVICE int64_t columns(const Args& args) const { return gemm_of(args).call.n; }
  NAMP_DEVICE Place place(const Args& args, int64_t row, int64_t column) const {
    const namp_gemm_args& call = gemm_of(args).call;
    return {row, column, product * call.stride_c + row * call.ldc + column, 0};
  }
  int64_t product;
};

// Of k, of the sums of a part of a product that is cut along k, or of a whole one.
NAMP_DEVICE int64_t depth_of_part(const GemmArgs& gemm, int64_t part) {
  const int64_t rest = gemm.whole_k - part * gemm.call.k;
  return gemm.whole_k != 0 && rest < gemm.call.k ? rest : gemm.call.k;
}

// Operands (matrix_operands.cuh, convolution_operands.cuh) bring slices of A and B to a stage of shared
// memory, as TileA and TileB. Element is the dtype of A and B, Pair its arithmetic. A warp has 32 columns of the tile, and as many
// rows as make 8 warps of 128, 4 of 64.
template <class Element, class Pair, class Operands, int kThreads, bool kAsync>
class TensorProduct {
 public:
  using Args = typename Operands::Args;
  using Result = typename Operands::Result;
  using TileA = typename Operands::TileA;
  using TileB = typename Operands::TileB;
  static constexpr int kTile = TileA::kSide;
  static_assert(TileB::kSide == kTile);
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kColumns = 32;  // of a warp
  static constexpr int kRows = kTile * kTile / kColumns / kWarps;
  using Slices = ProductSlices<TileA, TileB, kAsync>;
  using Position = TilePosition<kTile, kRows, kColumns>;
  static constexpr int kWriteRows = 32;  // of a warp, that are written at a time
  static_assert(kRows % kWriteRows == 0);
  static constexpr int kRowBytes = kColumns * static_cast<int>(sizeof(float));
  static constexpr int kWarpBytes = (kWriteRows + 1) * kRowBytes;  // with the bias
  // Of shared memory: the slices, and when all are multiplied, rows of sums.
  static constexpr int kSliceBytes = Slices::kBytes;
  static constexpr int kSumBytes = kWarps * kWarpBytes;
  static constexpr int kBytes = kSliceBytes > kSumBytes ? kSliceBytes : kSumBytes;

  NAMP_DEVICE static void run(const Args& call, uint32_t memory) {
    const namp_gemm_args& args = gemm_of(call).call;
    const int64_t products = args.batch > 0 ? args.batch : 1;
    const int64_t tasks = products * blocks(args.m, kTile) * blocks(args.n, kTile);
    for (int64_t task = block_index(); task < tasks; task += block_count()) {
      TensorProduct product;
      product.multiply(call, task, memory);
      // Which tile it was is found again: meanwhile the sums have all registers.
      product.write(call, TileOfC(args.m, args.n, opaque(task), kTile), memory);
    }
  }

 private:
  float sums_[kRows / kRowsOfA][kColumns / 8][4] = {};

  NAMP_DEVICE void multiply(const Args& call, int64_t task, uint32_t memory) {
    const namp_gemm_args& args = gemm_of(call).call;
    const TileOfC tile(args.m, args.n, task, kTile);
    // Where a thread is, is found again behind the loop, or kept: which of the two spills is a whim of
    // ptxas, of one for matrices and of the other for convolutions.
    const Position own(Operands::kKeepsPosition ? thread_index() : opaque(thread_index()));
    const uint32_t place_a = TileA::template lane_place<true>(own.lane, own.row);
    const uint32_t place_b = TileB::template lane_place<false>(own.lane, own.column);
    // Of A's rows: the blocks of the first column of tiles have them all.
    const bool sums_rows = Operands::kMaySumRows && args.row_sums != nullptr && tile.column == 0;
    RowSums<TileA, Pair, kThreads, Operands::kMaySumRows> row_sums;
    Operands::with_loaders(call, tile, [&](auto loaders) {
      Slices::each(loaders, Operands::depth(call, tile), memory, [&](uint32_t slice) {
        multiply_slice<Pair, TileA, TileB>(sums_, slice + place_a, slice + TileA::kBytes + place_b);
        if (sums_rows) row_sums.add(slice);
      });
    });
    if (!sums_rows) return;
    const TileOfC again(args.m, args.n, opaque(task), kTile);
    row_sums.finish(memory, [&](int row, float sum) {
      if (again.row + row >= args.m) return;
      FloatOr<Element>().put(Pack<1>{{sum}}, args.row_sums, args.c_dtype,
                             again.product * args.m + again.row + row, Single{});
    });
  }

  // A lane's sums are two and two beside each other: through shared memory, 32 rows of a warp at a
  // time, it gets eight of a row, to be written as 16 bytes.
  NAMP_DEVICE void write(const Args& call, const TileOfC& tile, uint32_t memory) {
    const GemmArgs& gemm = gemm_of(call);
    const namp_gemm_args& args = gemm.call;
    const Result result(call, tile);
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
    const Prefix part{result.columns(call) - column};
    // The columns' bias is behind the rows, for all of which it is read once.
    const uint32_t bias = region + kWriteRows * kRowBytes + pack * 32;
    if (Operands::kHasEpilogue && args.bias != nullptr && gemm.bias_by_row == 0 && lane < kPacks &&
        part.there > 0) {
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
        if constexpr (Result::kMayScatter) {
          if (result.is_scattered(call)) {
#pragma unroll
            for (int j = 0; j < kPack; ++j) {
              if (j < part.there) {
                FloatOr<Element>().put(Pack<1>{{x.at[j]}}, args.c, args.c_dtype,
                                       result.scattered(call, row, column + j), Single{});
              }
            }
            continue;
          }
        }
        const Place at = result.place(call, row, column);
        x = scale_sums(args, FloatOr<Element>(), x, at, part);
        if constexpr (!Operands::kHasEpilogue) {
          FloatOr<Element>().put(x, args.c, args.c_dtype, at.at, part);
        } else {
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
  }
};

// A kernel over tiles of products with the operands that are named last. blocks: that a multiprocessor
// should hold.
#define NAMP_TENSOR_PRODUCT(kernel, Element, Pair, threads, blocks, async, ...) \
  NAMP_KERNEL(threads, blocks)                                                  \
  kernel(NAMP_GRID_CONSTANT const typename __VA_ARGS__::Args call) {            \
    using Product = TensorProduct<Element, Pair, __VA_ARGS__, threads, async>;  \
    alignas(256) __shared__ unsigned char memory[Product::kBytes];              \
    Product::run(call, shared_address(memory));                                 \
  }

}  // namespace namp::cuda
