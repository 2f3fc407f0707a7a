// Division by a number that the host knows (divide.cuh): three instructions in place of the twenty that a GPU
// has for it, some of them conversions by units that are slow.
#pragma once

#include <cstdint>

namespace namp::cuda {

// Quotients of numbers below 2^31 are n m / 2^(31 + shift), rounded down, with m = 2^(31 + shift) / by,
// rounded up, and 2^shift >= by: m by exceeds 2^(31 + shift) by e < 2^shift, and n e < 2^(31 + shift), so that the
// excess never reaches the next whole number (Granlund and Montgomery, "Division by invariant integers
// using multiplication", 1994, theorem 4.2).
struct Divider {
  uint32_t by;
  uint32_t multiplier;
  uint32_t shift;

  // Of 1 to 2^31 - 1.
  static constexpr Divider of(int64_t by) {
    uint32_t shift = 0;
    while ((int64_t{1} << shift) < by)
      ++shift;
    const uint64_t one = uint64_t{1} << (31 + shift);
    const auto divisor = static_cast<uint64_t>(by);
    return {static_cast<uint32_t>(by), static_cast<uint32_t>((one + divisor - 1) / divisor), shift};
  }
};

}  // namespace namp::cuda
