// Finds the first label or index out of range.
#pragma once

#include <cstdint>

#include "formulas/index_fact.h"

namespace namp {

// Its position; count if there is none.
inline int64_t first_outside(const int32_t* values, int64_t count, int64_t range) {
  for (int64_t i = 0; i < count; ++i) {
    if (is_outside(values[i], range)) return i;
  }
  return count;
}

// The same, with one more value allowed.
inline int64_t first_outside(const int32_t* values, int64_t count, int64_t range, int32_t ignored) {
  for (int64_t i = 0; i < count; ++i) {
    if (is_outside(values[i], range) && values[i] != ignored) return i;
  }
  return count;
}

}  // namespace namp
