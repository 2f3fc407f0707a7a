// Which SIMD instruction set the kernels use. Highway compiles a source once for each target; which
// one runs is chosen here and not by libhwy, which is therefore not linked, and which could not be
// told what to take.
//
// A SIMD source begins with
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "cpu/this_file.cpp"
//   #include "cpu/simd_target.h"
//   #include "hwy/foreach_target.h"
//   #include "cpu/loop-inl.h"
// has its kernels between HWY_BEFORE_NAMESPACE(); namespace namp { namespace HWY_NAMESPACE { and
// the matching end, and then
//   #if HWY_ONCE
//   namespace namp { NAMP_SIMD_TABLE(kernel); … kernel_by_simd(simd)(arguments) … }
//   #endif
#pragma once

// Scalar code, AVX2 and AVX-512 on x86-64; NEON on arm64. What lies between is not worth its code.
#define HWY_BROKEN_EMU128 1
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
// Highway's assertions need libhwy.
#define HWY_IS_DEBUG_BUILD 0

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

template <class Function>
SimdTable(Function, Function, Function) -> SimdTable<Function>;
template <class Function>
SimdTable(Function, decltype(nullptr), decltype(nullptr)) -> SimdTable<Function>;

}  // namespace namp

// Declares kernel_by_simd, the table of a kernel.
#define NAMP_SIMD_TABLE(kernel)                                                    \
  [[maybe_unused]] constexpr ::namp::SimdTable kernel##_by_simd {                  \
    &HWY_STATIC_DISPATCH(kernel), HWY_CHOOSE_AVX2(kernel), HWY_CHOOSE_AVX3(kernel) \
  }
