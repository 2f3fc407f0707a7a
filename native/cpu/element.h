// The address of an element of an untyped array.
#pragma once

#include <cstdint>
#include <type_traits>

#include "dtype.h"

namespace namp {

// The element at an index of an array of a dtype.
template <class Void>
Void* element(Void* data, namp_dtype dtype, int64_t index) {
  using Byte = std::conditional_t<std::is_const_v<Void>, const char, char>;
  return static_cast<Byte*>(data) + index * dtype_size(dtype);
}

}  // namespace namp
