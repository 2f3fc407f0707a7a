// Random words of a pack, the same as those of formulas/philox.h for its elements.
#pragma once

#include "cuda/loop.cuh"
#include "formulas/philox.h"

namespace namp::cuda {

template <int kCount>
struct RandomWords {
  uint32_t at[kCount];
};

// kCount words from the one of number first on. Those from kNeeded on are only drawn if all is true, which,
// as the place within a block, is the same for a whole run of packs. Every index is a constant once the
// loops are unrolled, so that the words stay in registers.
template <int kCount, int kNeeded>
NAMP_DEVICE RandomWords<kCount> draw_words(uint64_t first, uint64_t upper, uint64_t seed,
                                           bool all) {
  // Blocks that kCount words from any of four starts touch.
  constexpr int kBlocks = (kCount + 6) / 4;
  uint32_t drawn[kBlocks * 4] = {};
  const auto skipped = static_cast<int>(first % 4);
#pragma unroll
  for (int b = 0; b < kBlocks; ++b) {
    if (b * 4 >= kNeeded && skipped == 0 && !all) break;
    const PhiloxBlock block = philox(first / 4 + static_cast<uint64_t>(b), upper, seed);
#pragma unroll
    for (int j = 0; j < 4; ++j)
      drawn[b * 4 + j] = block.words[j];
  }
  RandomWords<kCount> words;
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    words.at[j] = drawn[j];
#pragma unroll
    for (int s = 1; s < 4; ++s)
      words.at[j] = skipped == s ? drawn[j + s] : words.at[j];
  }
  return words;
}

// The words of elements first, first + 1, …
template <class Part>
NAMP_DEVICE RandomWords<Part::count> random_words(uint64_t first, uint64_t upper, uint64_t seed,
                                                  Part) {
  return draw_words<Part::count, Part::count>(first, upper, seed, false);
}

// The halves of elements first, first + 1, … that are rounded to 16 bits, as upper halves.
template <class Part>
NAMP_DEVICE RandomWords<Part::count> random_halves(uint64_t first, uint64_t upper, uint64_t seed,
                                                   Part) {
  const bool odd = first % 2 != 0;
  const auto words =
      draw_words<Part::count / 2 + 1, (Part::count + 1) / 2>(first / 2, upper, seed, odd);
  RandomWords<Part::count> halves;
#pragma unroll
  for (int j = 0; j < Part::count; ++j) {
    const uint32_t low = words.at[(j + 1) / 2] << 16;
    const uint32_t high = words.at[j / 2] & 0xffff0000u;
    halves.at[j] = (j % 2 != 0) == odd ? low : high;
  }
  return halves;
}

}  // namespace namp::cuda
