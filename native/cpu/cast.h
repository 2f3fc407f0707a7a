// The settings of a cast, the same for every element of a tensor.
#pragma once

#include <cstdint>

namespace namp {

struct CastSettings {
  bool scaled = false;
  bool saturate = false;
  bool stochastic = false;
  bool streams = false;  // the output may bypass the cache
  float factor = 1.0f;
  // The scales of the cells.
  float source_scale = 1.0f;
  float destination_scale = 1.0f;
  uint64_t seed = 0;
};

}  // namespace namp
