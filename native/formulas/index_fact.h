// Records labels and indices out of range (nativeamp.h, namp_index_fact): the same on the host and
// on a GPU.
#pragma once

#include "formulas/finite.h"
#include "nativeamp.h"

namespace namp {

NAMP_FORMULA bool is_outside(int32_t value, int64_t range) { return value < 0 || value >= range; }

// Records an element. One thread of a call does it.
NAMP_FORMULA void tell(namp_index_fact* fact, namp_index_kind kind, int64_t position, int32_t value,
                       int64_t range) {
  if (fact == nullptr) return;
  fact->count = one_more(fact->count);
  fact->position = position;
  fact->value = value;
  fact->range = range;
  fact->kind = kind;
}

}  // namespace namp
