// Products of float16 and bfloat16 matrices on tensor cores, with float32 sums, rounded once. A block
// makes a tile of C over slices of k: while its warps multiply one slice, the next are on their way
// to shared memory. Each sum, or each of its parts, is added up along k by one warp, so its bits
// depend on neither the tile's size nor the device's; how a tensor core adds 8 or 16 products is its own.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/pack_writer.cuh"
#include "cuda/product_tile.cuh"
#include "cuda/row_sums.cuh"

namespace namp::cuda {

// Operands (matrix_operands.cuh, convolution_operands.cuh) bring slices of A and B to a stage of shared
// memory, as TileA and TileB. Element is the dtype of A and B, Pair its arithmetic. A warp has 32 columns of
// the tile, and as many rows as make kThreads of them.
template <class Element, class Pair, class Operands, int kThreads, bool kAsync>
class TensorProduct {
 public:
  using Args = typename Operands::Args;
  using Result = typename Operands::Result;
  using TileA = typename Operands::TileA;
  using TileB = typename Operands::TileB;
  static constexpr int kTileRows = TileA::kSide;
  static constexpr int kTileColumns = TileB::kSide;
  static constexpr int kWarps = kThreads / kWarp;
  static constexpr int kColumns = 32;  // of a warp
  static constexpr int kRows = kTileRows * kTileColumns / kColumns / kWarps;
  using Slices = ProductSlices<TileA, TileB, kAsync>;
  using Position = TilePosition<kTileColumns, kRows, kColumns>;
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
    const int64_t tasks = products * blocks(args.m, kTileRows) * blocks(args.n, kTileColumns);
    for (int64_t task = block_index(); task < tasks; task += block_count()) {
      TensorProduct product;
      product.multiply(call, task, memory);
      // Which tile it was is found again: meanwhile the sums have all registers.
      product.write(call, tile_of(call, opaque(task)), memory);
    }
  }

 private:
  float sums_[kRows / kRowsOfA][kColumns / 8][4] = {};

  NAMP_DEVICE static TileOfC tile_of(const Args& call, int64_t task) {
    return TileOfC(gemm_of(call).tiles, task, kTileRows, kTileColumns);
  }

  NAMP_DEVICE void multiply(const Args& call, int64_t task, uint32_t memory) {
    const namp_gemm_args& args = gemm_of(call).call;
    const TileOfC tile = tile_of(call, task);
    // Where a thread is, is found again behind the loop, or kept: which of the two spills is a whim of
    // ptxas, of one for matrices and of the other for convolutions.
    const Position own(Operands::kKeepsPosition ? thread_index() : own_thread());
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
    const TileOfC again = tile_of(call, opaque(task));
    row_sums.finish(memory, [&](int row, float sum) {
      if (again.row + row >= args.m) return;
      FloatOr<Element>().put(Pack<1>{{sum}}, args.row_sums, args.c_dtype,
                             int64_t{again.product} * args.m + again.row + row, Single{});
    });
  }

  // A lane's sums are two and two beside each other: through shared memory, 32 rows of a warp at a
  // time, it gets eight of a row, to be written as 16 bytes.
  NAMP_DEVICE void write(const Args& call, const TileOfC& tile, uint32_t memory) {
    const namp_gemm_args& args = gemm_of(call).call;
    constexpr int kPacks = kColumns / kPack;  // of a row
    // What follows from it is computed here, not before the loop over slices, where it would hold
    // registers.
    const Position own(own_thread());
    const int lane = own.lane;
    const uint32_t region = memory + own.warp * kWarpBytes;
    // A lane has sums, and then packs, of every eighth row from that of its number on, and packs of the same
    // columns.
    static_assert(kPacks == 4 && kRowBytes == 128 && kWarpBytes % kRowBytes == 0);
    const int pack = lane % kPacks;
    // A lane's rows have one order of their floats, and what is added to a place is added to its bits.
    const int order = order_of_row(lane / 4);
    const auto place = [&](int four) {
      return region + static_cast<uint32_t>(lane / 4 * kRowBytes + (four ^ order) * 16);
    };
    const uint32_t sums = place(lane % 4 / 2) + static_cast<uint32_t>(lane % 2 * 8);
    const uint32_t first_four = place(pack * 2);
    const uint32_t second_four = place(pack * 2 + 1);
    // The columns' bias is behind the rows, for all of which it is read once.
    const uint32_t bias = region + kWriteRows * kRowBytes + pack * 32;
    const PackWriter<Element, Pair, Operands> writer(
        call, tile, tile.column + own.column + pack * kPack, bias, lane < kPacks);
    constexpr int kParts = kWriteRows / kRowsOfA;
#pragma unroll 1
    for (int first = 0; first < kRows; first += kWriteRows) {
      warp_barrier();  // the rows before have been read
      unrolled<kColumns / 8>([&](auto eight) {
        constexpr int n = decltype(eight)::value;
        const uint32_t to = sums ^ static_cast<uint32_t>(n * 32);
        unrolled<kParts>([&](auto part) {
          constexpr int i = decltype(part)::value;
          constexpr int kBehind = i * kRowsOfA * kRowBytes;
          store_shared_pair<kBehind>(to, sums_[i][n][0], sums_[i][n][1]);
          store_shared_pair<kBehind + 8 * kRowBytes>(to, sums_[i][n][2], sums_[i][n][3]);
        });
      });
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
      // A lane's first row, and from one to its next.
      const int row = tile.row + own.row + first + lane / kPacks;
      constexpr int kStep = kWarp / kPacks;
      static_assert(kStep == 8);
      const int rows_left = static_cast<int>(args.m) - row;
      if (writer.is_plain()) {
        writer.with_plain_row(call, row, [&](auto* to) {
          unrolled<kWriteRows / kStep>([&](auto index) {
            constexpr int i = decltype(index)::value;
            if (i * kStep >= rows_left) return;
            Pack<kPack> x;
            load_shared_floats<i * kStep * kRowBytes>(x.at, first_four);
            load_shared_floats<i * kStep * kRowBytes>(x.at + 4, second_four);
            writer.put_plain(to, x);
            to += kStep * args.ldc;
          });
        });
        continue;
      }
      if constexpr (Result::kIsOfImages) {
        if (!writer.is_of_halves()) {
          const int first_row = tile.row + own.row + first;
          const int rows = static_cast<int>(args.m) - first_row;
          write_columns<Element, Pair, Operands, kRowBytes>(
              call, tile, tile.column + own.column + lane, first_row,
              rows < kWriteRows ? rows : kWriteRows, region + static_cast<uint32_t>(lane * 4));
          continue;
        }
      }
#pragma unroll 1
      for (int i = 0; i < kWriteRows / kStep; ++i) {
        if (i * kStep >= rows_left || !writer.is_there()) break;
        Pack<kPack> x;
        load_shared_floats(x.at, first_four + static_cast<uint32_t>(i * kStep * kRowBytes));
        load_shared_floats(x.at + 4, second_four + static_cast<uint32_t>(i * kStep * kRowBytes));
        writer.put(call, row + i * kStep, x);
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
