// Random words of a pack, the same as those of formulas/philox.h for its elements.
#pragma once

#include "cuda/loop.cuh"
#include "formulas/philox.h"

namespace namp::cuda {

template <int kCount>
struct RandomWords {
  uint32_t at[kCount];
};

// The words of elements first, first + 1, … Every index is a constant once the loops are unrolled,
// so that the words stay in registers.
template <class Part>
NAMP_DEVICE RandomWords<Part::count> random_words(uint64_t first, uint64_t upper, uint64_t seed,
                                                  Part) {
  // Blocks that Part::count words from any of four starts touch.
  constexpr int kBlocks = (Part::count + 6) / 4;
  uint32_t drawn[kBlocks * 4] = {};
  const auto skipped = static_cast<int>(first % 4);
#pragma unroll
  for (int b = 0; b < kBlocks; ++b) {
    // The last block is drawn only if the words begin within a block, which is the same for a whole
    // run of packs.
    if (b * 4 >= Part::count && skipped == 0) break;
    const PhiloxBlock block = philox(first / 4 + static_cast<uint64_t>(b), upper, seed);
#pragma unroll
    for (int j = 0; j < 4; ++j)
      drawn[b * 4 + j] = block.words[j];
  }
  RandomWords<Part::count> words;
#pragma unroll
  for (int j = 0; j < Part::count; ++j) {
    words.at[j] = drawn[j];
#pragma unroll
    for (int s = 1; s < 4; ++s)
      words.at[j] = skipped == s ? drawn[j + s] : words.at[j];
  }
  return words;
}

// The halves of elements first, first + 1, … that are rounded to 16 bits, as upper halves.
template <class Part>
NAMP_DEVICE RandomWords<Part::count> random_halves(uint64_t first, uint64_t upper, uint64_t seed,
                                                   Part) {
  // Blocks that Part::count halves from any of eight starts touch.
  constexpr int kBlocks = (Part::count + 14) / 8;
  constexpr int kDrawn = kBlocks * 4;
  uint32_t drawn[kDrawn] = {};
  const auto skipped = static_cast<int>(first % 8);
#pragma unroll
  for (int b = 0; b < kBlocks; ++b) {
    if (b * 8 >= Part::count && skipped == 0) break;
    const PhiloxBlock block = philox(first / 8 + static_cast<uint64_t>(b), upper, seed);
#pragma unroll
    for (int j = 0; j < 4; ++j)
      drawn[b * 4 + j] = block.words[j];
  }
  // The words from the one of the first half on, one more than the halves fill: by two steps, as
  // nvcc makes an index, and memory, of one choice among four.
  constexpr int kWords = Part::count / 2 + 1;
  uint32_t some[kWords + 1];
#pragma unroll
  for (int j = 0; j <= kWords; ++j) {
    const uint32_t later = j + 2 < kDrawn ? drawn[j + 2] : 0u;
    some[j] = (skipped & 4) != 0 ? later : drawn[j];
  }
  uint32_t words[kWords];
#pragma unroll
  for (int j = 0; j < kWords; ++j)
    words[j] = (skipped & 2) != 0 ? some[j + 1] : some[j];
  RandomWords<Part::count> halves;
#pragma unroll
  for (int j = 0; j < Part::count; ++j) {
    const uint32_t low = words[j / 2] << 16;
    const uint32_t high = words[j / 2] & 0xffff0000u;
    const uint32_t after = words[(j + 1) / 2] << 16;
    halves.at[j] = j % 2 == 0 ? (skipped % 2 == 0 ? low : high) : (skipped % 2 == 0 ? high : after);
  }
  return halves;
}

}  // namespace namp::cuda
