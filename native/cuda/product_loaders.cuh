// What brings slices of a product's operands from global memory to their tiles.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/product_tile.cuh"

namespace namp::cuda {

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
  // The index-th word from global memory, to kBehind bytes behind `to`; here and below.
  template <int kBehind = 0>
  NAMP_DEVICE void start(int index, uint32_t to, const Element* from) {
    if constexpr (kAsync) {
      copy_words<kBehind>(to, from);
    } else {
      held_[index] = load_words<0>(reinterpret_cast<const Words*>(from));
    }
  }
  // Its first elements, and zeros behind them.
  template <int kBehind = 0>
  NAMP_DEVICE void start(int index, uint32_t to, const Element* from, int elements) {
    if constexpr (kAsync) {
      copy_words<kBehind>(to, from, elements * static_cast<int>(sizeof(Element)));
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
  static constexpr int kStep = kLines * Tile::kPitch;  // in bytes, of the tile
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
    const int thread = own_thread();
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
      : step_(Tile::kAlongDepth ? kDepthParts : kDepthParts * static_cast<int>(ld)) {
    Part part;
    place_ = part.place();
    int lines = Share::kLines;
    if (Tile::kAlongDepth) {
      if (part.line >= side_left) part.line = 0;
      if (part.line + lines >= side_left) lines = 0;
    } else if (part.column >= side_left) {
      part.column = 0;
    }
    from_ = first + (part.line * static_cast<int>(ld) + part.column);
    to_second_ = lines * static_cast<int>(ld);
  }

  // Of the next slice, with depth_left of k, into the tile.
  NAMP_DEVICE void start(uint32_t tile, int depth_left) {
    const uint32_t to = tile + place_;
    if (depth_left == kDepthParts) {
      words_.start(0, to, from_);
      words_.template start<Share::kStep>(1, to, from_ + to_second_);
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

  int step_;             // from slice to slice
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

}  // namespace namp::cuda
