// NEON's SDOT in intrinsics: it multiplies signed bytes and adds four products to a sum of 32 bits, which
// wraps ("Arm Architecture Reference Manual for A-profile architecture", FEAT_DotProd).
#pragma once

#include "cpu/simd_target.h"

// Clang's header had the intrinsics only where the whole file is compiled for them, before 16.
#if defined(__aarch64__) && defined(__linux__) && (!defined(__clang__) || __clang_major__ >= 16)

#include <arm_neon.h>

#include <cstdint>

#if defined(__clang__)
#define NAMP_DOTPROD __attribute__((target("dotprod")))
#else
#define NAMP_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
// Of a part of a kernel. By templates, because the lane of an intrinsic is a constant also in a build
// without optimization.
#define NAMP_DOTPROD_INLINE NAMP_DOTPROD inline __attribute__((always_inline))

namespace namp {

// Codes of a register: four units, or taps, of four.
inline constexpr int64_t kDotprodStep = 16;

// The four codes at a place of any alignment, in each word of a register.
NAMP_DOTPROD_INLINE int8x16_t dotprod_word(const void* p) {
  int32_t word;
  __builtin_memcpy(&word, p, sizeof word);
  return vreinterpretq_s8_s32(vdupq_n_s32(word));
}

}  // namespace namp

#endif
