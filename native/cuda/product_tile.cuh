// A slice of an operand of a product in shared memory, filled from global memory and read as parts of
// a warp's matrices. A line is a stored row: where elements that are adjacent in memory are adjacent
// along k, a line has a slice's k of one row of A or column of B; else it has one k of all of them.
//
// Words of 16 bytes lie in a line in an order that depends on the line: the eight that ldmatrix reads
// at once, one of each of eight lines, are then in different banks, and so are the eight that a
// quarter of a warp writes.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/gemm_kernels.h"
#include "cuda/tensor_core.cuh"

namespace namp::cuda {

inline constexpr int kSlice = kProductDepth;  // of k

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
  // 16 rows or columns, of the warp's from side on, and 16 of k, from depth on: multiples of 16.
  NAMP_DEVICE static void load(uint32_t (&x)[4], uint32_t at, int side, int depth) {
    const int line = kAlongDepth ? side : depth;
    const int word = (kAlongDepth ? depth : side) / kWordElements;
    // Added to the lane's word, which has none of these bits; so it is in the order of words, too.
    const uint32_t row = (at ^ static_cast<uint32_t>(word * static_cast<int>(sizeof(Words)))) +
                         static_cast<uint32_t>(line * kPitch);
    if (kAlongDepth) {
      load_matrices(x, row);
    } else {
      load_matrices_transposed(x, row);
    }
  }
};

// The first elements of a word; zeros behind them. kAligned: a word of which all are there is aligned.
// Element: uint16_t or uint8_t.
template <bool kAligned, class Element>
NAMP_DEVICE Words load_elements(const Element* from, int elements) {
  constexpr int kParts = static_cast<int>(sizeof(Words) / sizeof(Element));
  constexpr int kOfFour = kParts / 4;
  if (kAligned && elements == kParts) return load_words<0>(reinterpret_cast<const Words*>(from));
  uint32_t four[4] = {};
#pragma unroll
  for (int j = 0; j < kParts - (kAligned ? 1 : 0); ++j) {
    if (j < elements) {
      four[j / kOfFour] |= uint32_t{load_global(from, j)}
                           << (j % kOfFour * 8 * static_cast<int>(sizeof(Element)));
    }
  }
  return make_words(four[0], four[1], four[2], four[3]);
}

// A thread's words of a slice on their way to shared memory. kAsync: by copies that run beside the
// products (8.0); else through registers, between start and land.
template <int kCount, bool kAsync, class Element = uint16_t>
class WordCopies {
 public:
  // The index-th word from global memory.
  NAMP_DEVICE void start(int index, uint32_t to, const Element* from) {
    if constexpr (kAsync) {
      copy_words(to, from);
    } else {
      held_[index] = load_words<0>(reinterpret_cast<const Words*>(from));
    }
  }
  // Its first elements, and zeros behind them.
  NAMP_DEVICE void start(int index, uint32_t to, const Element* from, int elements) {
    if constexpr (kAsync) {
      copy_words(to, from, elements * static_cast<int>(sizeof(Element)));
    } else {
      held_[index] = load_elements<true>(from, elements);
    }
  }
  NAMP_DEVICE void land(int index, uint32_t to) const {
    if constexpr (!kAsync) store_shared_words(to, held_[index]);
  }

 private:
  Words held_[kAsync ? 1 : kCount];
};

// How the words of a tile are shared out among a block's threads: a thread has the same word of some
// lines.
template <class Tile, int kThreads>
struct WordShare {
  static constexpr int kLines = kThreads / Tile::kWords;  // from one of a thread to its next
  static constexpr int kEach = Tile::kLines / kLines;
  static constexpr uint32_t kStep = kLines * Tile::kPitch;  // in bytes, of the tile
  static_assert(kLines % 8 == 0, "a thread's words have one place in the order of their lines");
};

// Where the thread's first word of a tile is, or its first element. It is computed when it is needed:
// kept, it would hold registers beside the sums.
template <class Tile, class Element = uint16_t>
struct TilePart {
  static constexpr int kWordParts = static_cast<int>(sizeof(Words) / sizeof(Element));

  int line;
  int column;  // in elements

  NAMP_DEVICE explicit TilePart(bool of_words = true) {
    const int thread = opaque(thread_index());
    const int parts = of_words ? Tile::kWords : Tile::kWords * kWordParts;
    line = thread / parts;
    column = thread % parts * (of_words ? kWordParts : 1);
  }
  NAMP_DEVICE uint32_t place(int below = 0) const {
    return static_cast<uint32_t>(Tile::place(line + below, column / kWordParts) +
                                 column % kWordParts * static_cast<int>(sizeof(Element)));
  }
};

// Brings a block's tile of an operand to shared memory, slice by slice: of an operand of words
// (gemm_kernels.h, are_words). kAsync: by copies that run beside the products (8.0); else through
// registers, between start and land. A thread has the same word of two lines. Element: a word of its
// size; of bytes, two lie where the tile has one, and they are adjacent along k.
//
// A whole slice is copied without a look at its ends: for a word that is not there another comes again,
// and nobody writes the sums that it is in. So beside its copies it needs a few additions.
template <class TileOfOperand, int kThreads, bool kAsync, class Element = uint16_t>
class WordLoader {
 public:
  using Tile = TileOfOperand;
  static constexpr int kWordParts = static_cast<int>(sizeof(Words) / sizeof(Element));
  static_assert(Tile::kAlongDepth || sizeof(Element) == 2);
  // Of k, in elements.
  static constexpr int kDepthParts = kSlice * kWordParts / kWordElements;

  // The operand's first element of the tile, with ld elements from line to line; what is left of its
  // side from there on.
  NAMP_DEVICE WordLoader(const Element* first, int64_t ld, int64_t side_left)
      : step_(Tile::kAlongDepth ? int64_t{kDepthParts} : kDepthParts * ld) {
    Part part;
    place_ = part.place();
    int lines = Share::kLines;
    if (Tile::kAlongDepth) {
      if (part.line >= side_left) part.line = 0;
      if (part.line + lines >= side_left) lines = 0;
    } else if (part.column >= side_left) {
      part.column = 0;
    }
    from_ = first + part.line * ld + part.column;
    to_second_ = lines * static_cast<int>(ld);
  }

  // Of the next slice, with depth_left of k, into the tile.
  NAMP_DEVICE void start(uint32_t tile, int depth_left) {
    const uint32_t to = tile + place_;
    if (depth_left == kDepthParts) {
      words_.start(0, to, from_);
      words_.start(1, to + Share::kStep, from_ + to_second_);
      return;
    }
    const Part part;
    const int there = depth_left - part.column;
    const int of_line = there < 0 ? 0 : there < kWordParts ? there : kWordParts;
    const auto elements = [&](int line) {
      return Tile::kAlongDepth ? of_line : line < depth_left ? kWordParts : 0;
    };
    words_.start(0, to, from_, elements(part.line));
    const int second = elements(part.line + Share::kLines);
    words_.start(1, to + Share::kStep, second > 0 ? from_ + to_second_ : from_, second);
  }
  // The tile may be read after this, a wait for copies and a barrier.
  NAMP_DEVICE void land(uint32_t tile, int) {
    words_.land(0, tile + place_);
    words_.land(1, tile + place_ + Share::kStep);
    from_ += step_;
  }

 private:
  using Share = WordShare<Tile, kThreads>;
  using Part = TilePart<Tile, Element>;
  static_assert(Share::kEach == 2);

  int64_t step_;         // from slice to slice
  uint32_t place_;       // of the thread's first word in a tile
  const Element* from_;  // of the next slice
  int to_second_;
  WordCopies<Share::kEach, kAsync, Element> words_;
};

// The same of any operand: a thread has the same part of some lines, a word; or, where lines do not
// begin at words, an element. Element: a word of its
// size; of bytes, two lie where the tile has one, and they are adjacent along k.
template <class TileOfOperand, int kThreads, bool kAsync, class Element = uint16_t>
class ProductLoader {
 public:
  using Tile = TileOfOperand;
  static constexpr int kWordParts = static_cast<int>(sizeof(Words) / sizeof(Element));
  static constexpr int kLineParts = Tile::kWords * kWordParts;
  static_assert(Tile::kAlongDepth || sizeof(Element) == 2);
  // Of k, in elements.
  static constexpr int kDepthParts = kSlice * kWordParts / kWordElements;

  // The operand's first element of the tile, with ld elements from line to line; what is left of its
  // side from there on.
  NAMP_DEVICE ProductLoader(const Element* first, int64_t ld, int64_t side_left)
      : ld_(ld),
        side_left_(side_left < Tile::kSide ? static_cast<int>(side_left) : Tile::kSide),
        has_words_(reinterpret_cast<uintptr_t>(first) % sizeof(Words) == 0 &&
                   ld % kWordParts == 0) {
    const Part part(has_words_);
    from_ = first + part.line * ld + part.column;
  }

  // Of the next slice, with depth_left of k, into the tile.
  NAMP_DEVICE void start(uint32_t tile, int depth_left) {
    if (!has_words_) {
      if constexpr (kAsync) copy_elements(tile, depth_left);
      return;
    }
    const Part part(true);
    const uint32_t to = tile + part.place();
    const int there = elements_left(depth_left) - part.column;
    const int elements = there < 0 ? 0 : there < kWordParts ? there : kWordParts;
#pragma unroll
    for (int i = 0; i < Share::kEach; ++i) {
      const int line = i * Share::kLines;
      const int own = part.line + line < lines_left(depth_left) ? elements : 0;
      words_.start(i, to + i * Share::kStep, from_ + line * ld_, own);
    }
  }
  // The tile may be read after this, a wait for copies and a barrier.
  NAMP_DEVICE void land(uint32_t tile, int depth_left) {
    if constexpr (!kAsync) {
      if (has_words_) {
        const uint32_t to = tile + Part(true).place();
#pragma unroll
        for (int i = 0; i < Share::kEach; ++i)
          words_.land(i, to + i * Share::kStep);
      } else {
        copy_elements(tile, depth_left);
      }
    }
    from_ += Tile::kAlongDepth ? int64_t{kDepthParts} : kDepthParts * ld_;
  }

 private:
  using Share = WordShare<Tile, kThreads>;
  using Part = TilePart<Tile, Element>;

  NAMP_DEVICE int lines_left(int depth_left) const {
    return Tile::kAlongDepth ? side_left_ : depth_left;
  }
  NAMP_DEVICE int elements_left(int depth_left) const {
    return Tile::kAlongDepth ? depth_left : side_left_;
  }

  // Element by element; several loads are under way.
  NAMP_DEVICE void copy_elements(uint32_t tile, int depth_left) const {
    constexpr int kAtOnce = 4;
    constexpr int kLines = kThreads / kLineParts;  // from one of a thread to its next
    const Part part(false);
    const bool in_line = part.column < elements_left(depth_left);
#pragma unroll 1
    for (int first = 0; first < Tile::kLines; first += kAtOnce * kLines) {
      Element loaded[kAtOnce];
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
        const int more = first + j * kLines;
        loaded[j] = in_line && part.line + more < lines_left(depth_left)
                        ? load_global(from_ + more * ld_)
                        : Element{0};
      }
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j)
        store_shared(tile + part.place(first + j * kLines), loaded[j]);
    }
  }

  const Element* from_;  // this thread's first part of the next slice
  int64_t ld_;
  int side_left_;
  bool has_words_;
  WordCopies<Share::kEach, kAsync, Element> words_;
};

// Brings both tiles of a stage: B's lies behind A's.
template <class LoaderA, class LoaderB>
class LoaderPair {
 public:
  NAMP_DEVICE LoaderPair(const LoaderA& a, const LoaderB& b) : a_(a), b_(b) {}

  // Of the next slice, with depth_left of k, into a stage.
  NAMP_DEVICE void start(uint32_t stage, int depth_left) {
    a_.start(stage, depth_left);
    b_.start(stage + LoaderA::Tile::kBytes, depth_left);
  }
  // The stage may be read after this, a wait for copies and a barrier.
  NAMP_DEVICE void land(uint32_t stage, int depth_left) {
    a_.land(stage, depth_left);
    b_.land(stage + LoaderA::Tile::kBytes, depth_left);
  }

 private:
  LoaderA a_;
  LoaderB b_;
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
    int to_load = static_cast<int>(blocks(depth, kDepth));
    const int last = static_cast<int>(depth - int64_t{to_load - 1} * kDepth);
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
#pragma unroll
  for (int depth = 0; depth < kSlice; depth += kDepth) {
    uint32_t a[kParts][4];
    uint32_t b[kTiles / 2][4];
#pragma unroll
    for (int j = 0; j < kTiles / 2; ++j)
      TileB::load(b[j], at_b, j * 16, depth);
#pragma unroll
    for (int i = 0; i < kParts; ++i)
      TileA::load(a[i], at_a, i * kRowsOfA, depth);
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
#pragma unroll
      for (int j = 0; j < kTiles / 2; ++j) {
        Pair::multiply_add(sums[i][2 * j], a[i], b[j][0], b[j][1]);
        Pair::multiply_add(sums[i][2 * j + 1], a[i], b[j][2], b[j][3]);
      }
    }
  }
}

// Which tile of C, of how many rows and columns, a task is.
struct TileOfC {
  int64_t product;
  int64_t row;
  int64_t column;

  // Blocks that run at a time have neighbouring tiles, in groups of 8 rows of tiles: they share what
  // they read in the second-level cache.
  NAMP_DEVICE TileOfC(int64_t m, int64_t n, int64_t task, int tile) {
    constexpr int64_t kGroup = 8;
    const int64_t rows = blocks(m, tile);
    const int64_t columns = blocks(n, tile);
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

// Where a thread is in the block, and its warp, of kRows and kColumns, in the tile.
template <int kTile, int kRows, int kColumns>
struct TilePosition {
  int lane;
  int warp;
  int row;
  int column;

  NAMP_DEVICE explicit TilePosition(int thread)
      : lane(thread % kWarp),
        warp(thread / kWarp),
        row(warp / (kTile / kColumns) * kRows),
        column(warp % (kTile / kColumns) * kColumns) {}
};

}  // namespace namp::cuda
