// What the Adam kernel of a SIMD target is given: one chunk, its pointers at the chunk's first
// element.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

struct AdamChunk {
  int64_t count;
  const void* gradient;
  namp_dtype gradient_dtype;
  float* parameter;
  float* exp_avg;
  float* exp_avg_sq;
  float* max_exp_avg_sq;  // with amsgrad
  void* half_copy;        // or null
  namp_dtype half_dtype;
  bool streams;  // the half copy may go past the cache
};

// Stochastic rounding of the half copy.
struct AdamRandom {
  bool stochastic;
  uint64_t seed;
  uint64_t step;   // upper half of the counter
  uint64_t first;  // index of the chunk's first element over all tensors
};

}  // namespace namp
