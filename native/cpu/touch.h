// The arguments of a SIMD target's touching kernel: columns at a chunk's first element.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

struct TouchColumn {
  void* data;
  int32_t element_bytes;
  namp_access access;
  bool streams;  // what is written may go past the cache
};

}  // namespace namp
