// Quotients by numbers that the host knows.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/divider.h"

namespace namp::cuda {

// n: below 2^31. By the instruction, which clang does not find for an n that it counts in 64 bits.
NAMP_DEVICE uint32_t operator/(uint32_t n, const Divider& by) {
  uint32_t upper;
  asm("mul.hi.u32 %0, %1, %2;" : "=r"(upper) : "r"(n << 1), "r"(by.multiplier));
  return upper >> by.shift;
}

}  // namespace namp::cuda
