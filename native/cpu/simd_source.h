// A SIMD source includes this first. It sets the targets that Highway compiles for, and the
// namespace of the formulas.
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "cpu/this_file.cpp"
//   #include "cpu/simd_source.h"
//   #include "hwy/foreach_target.h"
//   #include "cpu/loop-inl.h"
//
//   HWY_BEFORE_NAMESPACE();
//   namespace namp {
//   namespace HWY_NAMESPACE {
//   … kernels, once for each target …
//   }
//   }
//   HWY_AFTER_NAMESPACE();
//
//   #if HWY_ONCE
//   namespace namp {
//   NAMP_SIMD_TABLE(kernel);
//   … kernel_by_simd(simd_)(arguments) …
//   }
//   #endif
//
// Include the standard library and other headers before HWY_BEFORE_NAMESPACE: code after it is
// compiled for the target.
#pragma once

// Scalar code, AVX2 and AVX-512 (but under sanitizers) on x86-64; NEON on arm64. The targets in
// between are not worth their code.
#define HWY_BROKEN_EMU128 1
#if defined(NAMP_SANITIZED)
#define NAMP_ALSO_DISABLED HWY_AVX3
#elif !defined(NAMP_ALSO_DISABLED)  // by one who only wants to know whether it compiles
#define NAMP_ALSO_DISABLED 0
#endif
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SSE4 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | NAMP_ALSO_DISABLED)
// Highway's assertions need libhwy.
#define HWY_IS_DEBUG_BUILD 0

#define NAMP_FORMULAS_BEGIN \
  HWY_BEFORE_NAMESPACE();   \
  namespace namp {          \
  namespace HWY_NAMESPACE {
#define NAMP_FORMULAS_END \
  }                       \
  }                       \
  HWY_AFTER_NAMESPACE();

// After the parameters of a lambda that works on lanes: compiled for the target (which a lambda
// does not inherit) and inlined.
#define NAMP_LANES __attribute__((always_inline)) HWY_ATTR

// Declares kernel_by_simd, the table of a kernel.
#define NAMP_SIMD_TABLE(kernel)                                                        \
  [[maybe_unused]] constexpr ::namp::SimdTable<decltype(&HWY_STATIC_DISPATCH(kernel))> \
      kernel##_by_simd {                                                               \
    &HWY_STATIC_DISPATCH(kernel), HWY_CHOOSE_AVX2(kernel), HWY_CHOOSE_AVX3(kernel)     \
  }

#include "cpu/simd_target.h"
