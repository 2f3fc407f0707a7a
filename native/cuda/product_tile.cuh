// A slice of an operand of a product in shared memory, filled from global memory and read as parts of
// a warp's matrices. A line is a stored row: where elements that are adjacent in memory are adjacent
// along k, a line has a slice's k of one row of A or column of B; else it has one k of all of them.
//
// Words of 16 bytes lie in a line in an order that depends on the line: the eight that ldmatrix reads
// at once, one of each of eight lines, are then in different banks, and so are the eight that a
// quarter of a warp writes.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/divide.cuh"
#include "cuda/gemm_kernels.h"
#include "cuda/tensor_core.cuh"

namespace namp::cuda {

inline constexpr int kSlice = kProductDepth;  // of k

// The thread, as a value that the compiler finds anew where it is asked for (opaque), and of which it knows
// that it is not negative: then quotients by powers of two are shifts.
NAMP_DEVICE int own_thread() {
  constexpr uint32_t kMost = 1024;  // threads of a block
  return static_cast<int>(static_cast<uint32_t>(opaque(thread_index())) % kMost);
}

// kRowsOrColumns: rows of A or columns of B. kAlong: whether elements that are adjacent in memory are
// adjacent along k.
template <int kRowsOrColumns, bool kAlong>
struct ProductTile {
  static constexpr int kSide = kRowsOrColumns;
  static constexpr bool kAlongDepth = kAlong;
  static constexpr int kLines = kAlongDepth ? kSide : kSlice;
  static constexpr int kElements = kAlongDepth ? kSlice : kSide;  // of a line
  static constexpr int kWords = kElements / kWordElements;
  static constexpr int kPitch = kWords * static_cast<int>(sizeof(Words));
  static constexpr int kBytes = kLines * kPitch;
  static_assert(kWords == 4 || kWords == 8 || kWords == 16);

  // Of a word, in bytes. The order of words repeats after 8 lines.
  NAMP_DEVICE static int place(int line, int word) {
    const int order = kWords == 4 ? line / 2 % 4 : line % 8;
    return line * kPitch + (word ^ order) * static_cast<int>(sizeof(Words));
  }

  // Where a lane's row is of the four matrices of a warp's first 16 rows of A, or columns of B, and of
  // depth 0. Added to a tile's address, it is what load takes. side: the warp's first, a multiple of
  // how many it has.
  template <bool kOfA>
  NAMP_DEVICE static uint32_t lane_place(int lane, int side) {
    // The second of the four matrices is below the first, or beside it along a line.
    const bool below = kOfA == kAlongDepth;
    const int line = below ? lane % 16 : lane % 8 + lane / 16 * 8;
    const int word = below ? lane / 16 : lane / 8 % 2;
    return static_cast<uint32_t>(kAlongDepth ? place(line + side, word)
                                             : place(line, word + side / kWordElements));
  }
  // 16 rows or columns, of the warp's from kOnSide on, and 16 of k, from kOnDepth on: multiples of 16.
  template <int kOnSide, int kOnDepth>
  NAMP_DEVICE static void load(uint32_t (&x)[4], uint32_t at) {
    constexpr int kBehind = (kAlongDepth ? kOnSide : kOnDepth) * kPitch;
    constexpr int kWord = (kAlongDepth ? kOnDepth : kOnSide) / kWordElements;
    // Added to the lane's word, which has none of these bits; so it is in the order of words, too.
    const uint32_t row = at ^ static_cast<uint32_t>(kWord * static_cast<int>(sizeof(Words)));
    if constexpr (kAlongDepth) {
      load_matrices<kBehind>(x, row);
    } else {
      load_matrices_transposed<kBehind>(x, row);
    }
  }
};

// The slices of a block's product: while one is multiplied, the next are on their way to shared memory.
// kDepth: of k, in elements.
template <class TileA, class TileB, bool kAsync, int kDepth = kSlice>
struct ProductSlices {
  static constexpr int kStages = kAsync ? 3 : 2;
  static constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
  static constexpr int kBytes = kStages * kStageBytes;

  // Calls body(slice) for each of depth, with its address in shared memory: A's tile, B's TileA::kBytes
  // behind it. loaders bring both: start(stage, left) and land(stage, left), with what is left of k. The
  // memory is free before and behind all.
  template <class Loaders, class Body>
  NAMP_DEVICE static void each(Loaders& loaders, int64_t depth, uint32_t memory, Body&& body) {
    // Slices; the last may have less than others.
    int to_load = static_cast<int>((static_cast<uint64_t>(depth) + (kDepth - 1)) / kDepth);
    const int last = static_cast<int>(static_cast<uint32_t>(depth)) - (to_load - 1) * kDepth;
    const auto left = [&] { return to_load > 1 ? kDepth : last; };
    const auto start = [&](uint32_t stage) {
      if (to_load > 0) loaders.start(stage, left());
      if constexpr (kAsync) commit_copies();
    };
    const auto land = [&](uint32_t stage) {
      if (to_load > 0) loaders.land(stage, left());
      --to_load;
    };
    barrier();  // what was in the memory has been read
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) {
      start(memory + i * kStageBytes);
      land(memory + i * kStageBytes);
    }
    uint32_t now = 0;
    while (to_load > -(kStages - 1)) {  // what is loaded and not yet multiplied counts too
      if constexpr (kAsync) wait_for_copies<kStages - 2>();
      barrier();  // the slice is there, and the one before it has been read
      constexpr uint32_t kLast = (kStages - 1) * kStageBytes;
      const uint32_t next = memory + (now == 0 ? kLast : now - kStageBytes);
      start(next);
      body(memory + now);
      land(next);
      now = now == kLast ? 0 : now + kStageBytes;
    }
    if constexpr (kAsync) wait_for_copies<0>();
    barrier();  // the memory is free
  }
};

// A warp's sums += the products of a slice. at_a, at_b: of the lane's rows of the first matrices.
template <class Pair, class TileA, class TileB, int kParts, int kTiles, class Sum>
NAMP_DEVICE void multiply_slice(Sum (&sums)[kParts][kTiles][4], uint32_t at_a, uint32_t at_b) {
  warp_barrier();  // lanes that loaded what others did not are together again
  unrolled<kSlice / kDepth>([&](auto step) {
    constexpr int kOnDepth = decltype(step)::value * kDepth;
    uint32_t a[kParts][4];
    uint32_t b[kTiles / 2][4];
    unrolled<kTiles / 2>([&](auto j) {
      TileB::template load<decltype(j)::value * 16, kOnDepth>(b[decltype(j)::value], at_b);
    });
    unrolled<kParts>([&](auto i) {
      TileA::template load<decltype(i)::value * kRowsOfA, kOnDepth>(a[decltype(i)::value], at_a);
    });
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
#pragma unroll
      for (int j = 0; j < kTiles / 2; ++j) {
        Pair::multiply_add(sums[i][2 * j], a[i], b[j][0], b[j][1]);
        Pair::multiply_add(sums[i][2 * j + 1], a[i], b[j][2], b[j][3]);
      }
    }
  });
}

// Which tile of C, of how many rows and columns, a task is. All is counted in 32 bits.
struct TileOfC {
  int product;
  int row;
  int column;

  // Blocks that run at a time have neighbouring tiles, in groups of kTilesTogether rows of tiles: they
  // share what they read in the second-level cache.
  NAMP_DEVICE TileOfC(const TileGrid& grid, int64_t task, int tile_rows, int tile_columns) {
    const auto index = static_cast<uint32_t>(task);
    const uint32_t of_product = index / grid.of_product;
    const uint32_t own = index - of_product * grid.of_product.by;
    const uint32_t group = own / grid.of_group;
    const uint32_t in_group = own - group * grid.of_group.by;
    const bool is_last = group == grid.whole_groups;
    const uint32_t rows = is_last ? grid.last_rows.by : kTilesTogether;
    const uint32_t own_column = is_last ? in_group / grid.last_rows : in_group / kTilesTogether;
    product = static_cast<int>(of_product);
    column = static_cast<int>(own_column) * tile_columns;
    row = static_cast<int>(group * kTilesTogether + (in_group - own_column * rows)) * tile_rows;
  }
};

// Where a thread is in the block, and its warp, of kRows and kColumns, in the tile.
template <int kTileColumns, int kRows, int kColumns>
struct TilePosition {
  int lane;
  int warp;
  int row;
  int column;

  NAMP_DEVICE explicit TilePosition(int thread)
      : lane(thread % kWarp),
        warp(thread / kWarp),
        row(warp / (kTileColumns / kColumns) * kRows),
        column(warp % (kTileColumns / kColumns) * kColumns) {}
};

}  // namespace namp::cuda
