// The choice of the kernels' SIMD instruction set. Highway compiles a source once for each target.
// The target is chosen here and not by libhwy, whose choice cannot be set; libhwy is therefore not
// linked.
#pragma once

#include "nativeamp.h"

namespace namp {

// The best target of this machine.
namp_simd best_simd() noexcept;

// Whether this machine and this build have a target. True for NAMP_SIMD_BEST.
bool has_simd(namp_simd simd) noexcept;

// A kernel for each target; null for a target that this build does not have. Targets with more than
// AVX-512 or NEON have their kernels; what they have more is in pair_tiles.h and neon_dots.h.
template <class Function>
struct SimdTable {
  Function baseline;
  Function avx2;
  Function avx512;

  Function operator()(namp_simd simd) const {
    if (simd >= NAMP_SIMD_AVX512 && avx512 != nullptr) return avx512;
    if (simd >= NAMP_SIMD_AVX2 && avx2 != nullptr) return avx2;
    return baseline;
  }
};

}  // namespace namp
