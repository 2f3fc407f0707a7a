// What a cast does, the same for every element of a tensor.
#pragma once

#include <cstdint>

namespace namp {

struct CastSettings {
  bool scaled = false;
  bool saturate = false;
  bool stochastic = false;
  bool streams = false;  // what is written may go past the cache
  float factor = 1.0f;
  // The cells'.
  float source_scale = 1.0f;
  float destination_scale = 1.0f;
  uint64_t seed = 0;
};

}  // namespace namp
