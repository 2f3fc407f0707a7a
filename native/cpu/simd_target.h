// Which SIMD instruction set the kernels use. Highway compiles a source once for each target; which
// one runs is chosen here and not by libhwy, which is therefore not linked, and which could not be
// told what to take.
#pragma once

#include "nativeamp.h"

namespace namp {

// The best target of this machine.
namp_simd best_simd() noexcept;

// Whether this machine has a target (which this build has too). NAMP_SIMD_BEST counts as there.
bool has_simd(namp_simd simd) noexcept;

// A kernel for each target. A null is a target that this build does not have.
template <class Function>
struct SimdTable {
  Function baseline;
  Function avx2;
  Function avx512;

  Function operator()(namp_simd simd) const {
    if (simd == NAMP_SIMD_AVX512 && avx512 != nullptr) return avx512;
    if (simd >= NAMP_SIMD_AVX2 && avx2 != nullptr) return avx2;
    return baseline;
  }
};

}  // namespace namp
