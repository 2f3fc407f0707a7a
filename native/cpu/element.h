// Where an element of an untyped array is.
#pragma once

#include <cstdint>
#include <type_traits>

#include "nativeamp.h"

namespace namp {

// The element at an index of an array of a floating-point dtype.
template <class Void>
Void* element(Void* data, namp_dtype dtype, int64_t index) {
  using Byte = std::conditional_t<std::is_const_v<Void>, const char, char>;
  return static_cast<Byte*>(data) + index * (dtype == NAMP_FLOAT32 ? 4 : 2);
}

}  // namespace namp
