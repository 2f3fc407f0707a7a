// What a launch that is recorded reached, and which of its blocks run where not all do (NAMPEMU_SAMPLE).
#pragma once

#include <map>
#include <unordered_map>
#include <vector>

#include "exec/access.h"

namespace nampemu {

// A word of global memory that atomic instructions changed.
struct AtomicWord {
  std::byte* at = nullptr;
  uint32_t bytes = 0;
  uint64_t before = 0;      // the launch
  uint64_t operand = 0;     // of the last one
  uint64_t block = 0;       // that did it last, by its number in the grid
  uint64_t blocks = 0;      // how many have
  bool only_counts = true;  // once a block, each by adding the same number
};

class Trace {
 public:
  // Bytes from the first that an instruction reached in an allocation to the last; what several reached counts once.
  uint64_t loaded_extent() const { return extent(loads_); }
  uint64_t stored_extent() const { return extent(stores_); }
  uint64_t longest_warp = 0;  // instructions of the warp that had most

  void note(Warp& warp, const Instruction& i, const Access& access, bool stores);

  template <class T>
  void note_atomic(const Block& block, uint64_t address, std::byte* at, T before, T operand,
                   bool adds) {
    const auto wide = static_cast<uint64_t>(operand);
    auto [found, is_new] = atomics_.try_emplace(address);
    AtomicWord& word = found->second;
    if (is_new) {
      word = {at,           sizeof(T), static_cast<uint64_t>(before), wide,
              block.linear, 1,         adds && sizeof(T) == 4};
      return;
    }
    word.only_counts =
        word.only_counts && adds && word.block != block.linear && word.operand == wide;
    word.blocks += word.block != block.linear ? 1 : 0;
    word.block = block.linear;
  }
  bool has_atomics() const { return !atomics_.empty(); }
  // Whether all that these blocks did by atomics was to be counted.
  bool only_counts(uint64_t blocks) const;
  // As if this number of blocks more had been counted.
  void count_more(uint64_t blocks);
  // The words are again what they were before the launch.
  void restore();

 private:
  struct Extent {
    const Region* region;
    uint64_t first, end;
  };
  using Extents = std::unordered_map<const Instruction*, std::vector<Extent>>;

  static uint64_t extent(const Extents& extents);
  static void add(std::vector<Extent>& extents, const Region* region, uint64_t first, uint64_t end);

  Extents loads_, stores_;
  std::map<uint64_t, AtomicWord> atomics_;
};

// Numbers of blocks of a grid, spread over it: each of the count has a stratum of every dimension of its own.
std::vector<uint64_t> spread_blocks(const std::array<uint32_t, 3>& grid, uint32_t count);

}  // namespace nampemu
