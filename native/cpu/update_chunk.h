// The arguments of a SIMD target's update kernel: one chunk, with pointers to the chunk's first
// element.
#pragma once

#include <cstdint>

#include "dtype.h"
#include "nativeamp.h"

namespace namp {

// A run of elements whose dtype is known at run time. Null data: there is none.
struct Column {
  void* data;
  int32_t dtype;

  // The run from element i on.
  Column from(int64_t i) const {
    if (data == nullptr) return *this;
    return {static_cast<char*>(data) + i * dtype_size(dtype), dtype};
  }
};

struct UpdateChunk {
  int64_t count;
  Column gradient;
  float gradient_scale;  // of FP8, else 1
  Column parameter;
  int16_t* remainder;  // of bfloat16 parameters, or null
  int states;          // of the tensor's group
  Column state[NAMP_MAX_STATE_COLUMNS];
  float* state_scale[NAMP_MAX_STATE_COLUMNS];  // of codes in blocks
  Column compute_copy;
  bool streams;        // the compute copy may bypass the cache
  bool number_planes;  // the machine has them (cpu/number_planes.h)
};

// Whether all columns of state, if there are any, have the dtype.
inline bool has_only_states(const UpdateChunk& chunk, int32_t dtype) {
  for (int k = 0; k < chunk.states; ++k) {
    if (chunk.state[k].dtype != dtype) return false;
  }
  return true;
}

// Stochastic rounding of weights.
struct UpdateRandom {
  bool stochastic;
  uint64_t seed;
  uint64_t step;   // upper half of the counter
  uint64_t first;  // index of the chunk's first element over all tensors
};

}  // namespace namp
