// The sums along k of the rows of a product's A, taken from the slices that the product reads anyway:
// the gradient of a bias beside that of a weight.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/product_tile.cuh"

namespace namp::cuda {

// Tile: of A, stored transposed. A thread has two adjacent rows, and of each slice a group's k; the
// groups are as many for every size of tile, so that a sum's order is, too.
template <class Tile, class Pair, int kThreads, bool kThere>
class RowSums {
 public:
  // Of a slice in shared memory.
  NAMP_DEVICE void add(uint32_t slice) {
    const Position own;
#pragma unroll
    for (int i = 0; i < kDepthEach; ++i) {
      const uint32_t both = load_shared_word(slice + static_cast<uint32_t>(own.place(i)));
      first_ += Pair::first(both);
      second_ += Pair::second(both);
    }
  }
  // Calls put(row, sum) for the tile's rows. memory: of the block, of which nobody reads or writes
  // anything; so it is again behind this.
  template <class Put>
  NAMP_DEVICE void finish(uint32_t memory, Put&& put) {
    const Position own;
    store_shared_pair(memory + static_cast<uint32_t>(own.group * kGroupBytes + own.pair * 8),
                      first_, second_);
    barrier();
    for (int row = thread_index(); row < Tile::kSide; row += kThreads) {
      float sum = 0.0f;
#pragma unroll
      for (int i = 0; i < kGroups; ++i)
        sum += load_shared_float(memory + static_cast<uint32_t>(i * kGroupBytes + row * 4));
      put(row, sum);
    }
    barrier();
  }

 private:
  static constexpr int kPairs = Tile::kSide / 2;
  static constexpr int kGroups = 4;
  static constexpr int kDepthEach = kSlice / kGroups;
  static constexpr int kGroupBytes = Tile::kSide * static_cast<int>(sizeof(float));
  static_assert(!Tile::kAlongDepth && kThreads == kPairs * kGroups);

  struct Position {
    int pair;
    int group;

    NAMP_DEVICE Position() {
      const int thread = own_thread();
      pair = thread % kPairs;
      group = thread / kPairs;
    }
    NAMP_DEVICE int place(int i) const {
      return Tile::place(group * kDepthEach + i, pair / 4) + pair % 4 * 4;
    }
  };

  float first_ = 0.0f;
  float second_ = 0.0f;
};

// Nobody asks for them.
template <class Tile, class Pair, int kThreads>
class RowSums<Tile, Pair, kThreads, false> {
 public:
  NAMP_DEVICE void add(uint32_t) {}
  template <class Put>
  NAMP_DEVICE void finish(uint32_t, Put&&) {}
};

}  // namespace namp::cuda
