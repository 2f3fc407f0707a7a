// The arguments of a SIMD target's update kernel: one chunk, with pointers to the chunk's first
// element.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

struct UpdateChunk {
  int64_t count;
  const void* gradient;
  namp_dtype gradient_dtype;
  float* parameter;
  int states;  // of the tensor's group
  void* state[NAMP_MAX_STATE_COLUMNS];
  namp_dtype state_dtype[NAMP_MAX_STATE_COLUMNS];
  float* state_scale[NAMP_MAX_STATE_COLUMNS];  // of codes in blocks
  bool compact_state;                          // some state is not float32
  void* compute_copy;                          // or null
  namp_dtype copy_dtype;
  bool streams;  // the compute copy may bypass the cache
};

// Stochastic rounding of the compute copy.
struct UpdateRandom {
  bool stochastic;
  uint64_t seed;
  uint64_t step;   // upper half of the counter
  uint64_t first;  // index of the chunk's first element over all tensors
};

}  // namespace namp
