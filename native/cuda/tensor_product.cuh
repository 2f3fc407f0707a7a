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

// Which tile of C a task is.
struct TileOfC {
  int64_t product;
  int64_t row;
  int64_t column;

  // Blocks that run at a time have neighbouring tiles, in groups of 8 rows of tiles: they share what
  // they read in the second-level cache.
  NAMP_DEVICE TileOfC(const namp_gemm_args& args, int64_t task, int tile) {
    constexpr int64_t kGroup = 8;
    const int64_t rows = blocks(args.m, tile);
    const int64_t columns = blocks(args.n, tile);
    product = task / (rows * columns);
    const int64_t own = task - product * rows * columns;
    const int64_t group = own / (kGroup * columns);
    const int64_t left = rows - group * kGroup;
    const int64_t rows_of_group = left < kGroup ? left : kGroup;
    const int64_t in_group = own - group * kGroup * columns;
    column = in_group / rows_of_group * tile;
    row = (group * kGroup + in_group % rows_of_group) * tile;
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
  static constexpr int kWarpsAcross = kTile / kColumns;
  static constexpr int kStages = kAsync ? 3 : 2;
  static constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
  static constexpr int kWriteRows = 32;  // of a warp, that are written at a time
  static_assert(kRows % kWriteRows == 0);
  static constexpr int kRowBytes = kColumns * static_cast<int>(sizeof(float));
  static constexpr int kWarpBytes = (kWriteRows + 1) * kRowBytes;  // with the bias
  // Of shared memory: the slices, and when all are multiplied, rows of sums.
  static constexpr int kSliceBytes = kStages * kStageBytes;
  static constexpr int kSumBytes = kWarps * kWarpBytes;
  static constexpr int kBytes = kSliceBytes > kSumBytes ? kSliceBytes : kSumBytes;

  NAMP_DEVICE static void run(const Args& call, uint32_t memory) {
    const namp_gemm_args& args = gemm_of(call).call;
    const int64_t products = args.batch > 0 ? args.batch : 1;
    const int64_t tasks = products * blocks(args.m, kTile) * blocks(args.n, kTile);
    for (int64_t task = block_index(); task < tasks; task += block_count()) {
      TensorProduct product;
      product.multiply(call, TileOfC(args, task, kTile), memory);
      // Which tile it was is found again: meanwhile the sums have all registers.
      product.write(call, TileOfC(args, opaque(task), kTile), memory);
    }
  }

 private:
  // Where a thread is in the block, and its warp in the tile.
  struct Position {
    int lane;
    int warp;
    int row;
    int column;

    NAMP_DEVICE explicit Position(int thread)
        : lane(thread % kWarp),
          warp(thread / kWarp),
          row(warp / kWarpsAcross * kRows),
          column(warp % kWarpsAcross * kColumns) {}
  };

  float sums_[kRows / kRowsOfA][kColumns / 8][4] = {};

  NAMP_DEVICE void multiply(const Args& call, const TileOfC& tile, uint32_t memory) {
    Operands operands(call, tile);
    const Position own(thread_index());
    const uint32_t place_a = TileA::template lane_place<true>(own.lane, own.row);
    const uint32_t place_b = TileB::template lane_place<false>(own.lane, own.column);
    int64_t to_load = Operands::depth(call, tile);
    const auto left = [&] { return to_load < kSlice ? static_cast<int>(to_load) : kSlice; };
    const auto start = [&](uint32_t stage) {
      if (to_load > 0) operands.start(call, stage, left());
      if constexpr (kAsync) commit_copies();
    };
    const auto land = [&](uint32_t stage) {
      if (to_load > 0) operands.land(call, stage, left());
      to_load -= kSlice;
    };
    // Of A's rows: the blocks of the first column of tiles have them all.
    const bool sums_rows =
        Operands::kMaySumRows && gemm_of(call).call.row_sums != nullptr && tile.column == 0;
    RowSums<TileA, Pair, kThreads, Operands::kMaySumRows> row_sums;
    barrier();  // what was in the memory has been read
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) {
      start(memory + i * kStageBytes);
      land(memory + i * kStageBytes);
    }
    uint32_t now = 0;
    while (to_load > -(kStages - 1) * kSlice) {  // what is loaded and not yet multiplied counts too
      if constexpr (kAsync) wait_for_copies<kStages - 2>();
      barrier();  // the slice is there, and the one before it has been read
      const uint32_t last = (kStages - 1) * kStageBytes;
      const uint32_t next = memory + (now == 0 ? last : now - kStageBytes);
      start(next);
      multiply_slice(memory + now + place_a, memory + now + TileA::kBytes + place_b);
      if (sums_rows) row_sums.add(memory + now);
      land(next);
      now = now == last ? 0 : now + kStageBytes;
    }
    if constexpr (kAsync) wait_for_copies<0>();
    barrier();  // the memory is free
    if (!sums_rows) return;
    row_sums.finish(memory, [&](int row, float sum) {
      const namp_gemm_args& args = gemm_of(call).call;
      if (tile.row + row >= args.m) return;
      FloatOr<Element>().put(Pack<1>{{sum}}, args.row_sums, args.c_dtype,
                             tile.product * args.m + tile.row + row, Single{});
    });
  }

  // Where this lane's rows of the warp's first matrices are in the slice.
  NAMP_DEVICE void multiply_slice(uint32_t at_a, uint32_t at_b) {
    warp_barrier();  // lanes that loaded what others did not are together again
#pragma unroll
    for (int depth = 0; depth < kSlice; depth += kDepth) {
      uint32_t a[kRows / kRowsOfA][4];
      uint32_t b[kColumns / 16][4];
#pragma unroll
      for (int j = 0; j < kColumns / 16; ++j)
        TileB::load(b[j], at_b, j * 16, depth);
#pragma unroll
      for (int i = 0; i < kRows / kRowsOfA; ++i)
        TileA::load(a[i], at_a, i * kRowsOfA, depth);
#pragma unroll
      for (int i = 0; i < kRows / kRowsOfA; ++i) {
#pragma unroll
        for (int j = 0; j < kColumns / 16; ++j) {
          Pair::multiply_add(sums_[i][2 * j], a[i], b[j][0], b[j][1]);
          Pair::multiply_add(sums_[i][2 * j + 1], a[i], b[j][2], b[j][3]);
        }
      }
    }
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
