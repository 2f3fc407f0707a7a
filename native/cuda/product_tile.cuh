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

// A thread's words of a slice on their way to shared memory. kAsync: by copies that run beside the
// products (8.0); else through registers, between start and land.
template <int kCount, bool kAsync>
class WordCopies {
 public:
  // The index-th word: its first elements from global memory, and zeros behind them.
  NAMP_DEVICE void start(int index, uint32_t to, const uint16_t* from, int elements) {
    if constexpr (kAsync) {
      copy_words(to, from, elements * 2);
    } else {
      held_[index] = load_elements(from, elements);
    }
  }
  NAMP_DEVICE void land(int index, uint32_t to) const {
    if constexpr (!kAsync) store_shared_words(to, held_[index]);
  }

 private:
  NAMP_DEVICE static Words load_elements(const uint16_t* from, int elements) {
    if (elements == kWordElements) return load_words<0>(reinterpret_cast<const Words*>(from));
    uint32_t pair[4] = {};
#pragma unroll
    for (int j = 0; j < kWordElements - 1; ++j) {
      if (j < elements) pair[j / 2] |= uint32_t{load_global(from, j)} << (j % 2 * 16);
    }
    Words words;
    words.x = pair[0];
    words.y = pair[1];
    words.z = pair[2];
    words.w = pair[3];
    return words;
  }

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
template <class Tile>
struct TilePart {
  int line;
  int column;  // in elements

  NAMP_DEVICE explicit TilePart(bool of_words = true) {
    const int thread = opaque(thread_index());
    const int parts = of_words ? Tile::kWords : Tile::kElements;
    line = thread / parts;
    column = thread % parts * (of_words ? kWordElements : 1);
  }
  NAMP_DEVICE uint32_t place(int below = 0) const {
    return static_cast<uint32_t>(Tile::place(line + below, column / kWordElements) +
                                 column % kWordElements * 2);
  }
};

// Brings a block's tile of an operand to shared memory, slice by slice. A thread has the same part of
// some lines, a word; or, where lines do not begin at words, an element.
template <class Tile, int kThreads, bool kAsync>
class ProductLoader {
 public:
  // The operand's first element of the tile, with ld elements from line to line; what is left of its
  // side from there on.
  NAMP_DEVICE ProductLoader(const uint16_t* first, int64_t ld, int64_t side_left)
      : ld_(ld),
        side_left_(side_left < Tile::kSide ? static_cast<int>(side_left) : Tile::kSide),
        has_words_(reinterpret_cast<uintptr_t>(first) % sizeof(Words) == 0 &&
                   ld % kWordElements == 0) {
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
    const int elements = there < 0 ? 0 : there < kWordElements ? there : kWordElements;
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
    from_ += Tile::kAlongDepth ? int64_t{kSlice} : kSlice * ld_;
  }

 private:
  using Share = WordShare<Tile, kThreads>;
  using Part = TilePart<Tile>;

  NAMP_DEVICE int lines_left(int depth_left) const {
    return Tile::kAlongDepth ? side_left_ : depth_left;
  }
  NAMP_DEVICE int elements_left(int depth_left) const {
    return Tile::kAlongDepth ? depth_left : side_left_;
  }

  // Element by element; several loads are under way.
  NAMP_DEVICE void copy_elements(uint32_t tile, int depth_left) const {
    constexpr int kAtOnce = 4;
    constexpr int kLines = kThreads / Tile::kElements;  // from one of a thread to its next
    const Part part(false);
    const bool in_line = part.column < elements_left(depth_left);
#pragma unroll 1
    for (int first = 0; first < Tile::kLines; first += kAtOnce * kLines) {
      uint16_t loaded[kAtOnce];
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
        const int more = first + j * kLines;
        loaded[j] = in_line && part.line + more < lines_left(depth_left)
                        ? load_global(from_ + more * ld_)
                        : uint16_t{0};
      }
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j)
        store_shared(tile + part.place(first + j * kLines), loaded[j]);
    }
  }

  const uint16_t* from_;  // this thread's first part of the next slice
  int64_t ld_;
  int side_left_;
  bool has_words_;
  WordCopies<Share::kEach, kAsync> words_;
};

}  // namespace namp::cuda
