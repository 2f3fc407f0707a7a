// Tests for finite floats, and counters that stay at their largest value.
#pragma once

#include <cstdint>

#include "formulas/lane.h"

namespace namp {

NAMP_FORMULA bool is_finite(float x) { return (bits(x) & 0x7fffffffu) < 0x7f800000u; }
NAMP_FORMULA bool is_finite(double x) { return x - x == 0.0; }

// The count plus one. State comes from outside (a checkpoint), and may be at its largest value.
NAMP_FORMULA int64_t one_more(int64_t count) { return count < INT64_MAX ? count + 1 : count; }
NAMP_FORMULA int32_t one_more(int32_t count) { return count < INT32_MAX ? count + 1 : count; }

// The sum of a count from outside and another count.
NAMP_FORMULA int64_t add_counts(int64_t count, int64_t more) {
  return count > INT64_MAX - more ? INT64_MAX : count + more;
}

}  // namespace namp
