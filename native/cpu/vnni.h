// AVX-512 VNNI in intrinsics: VPDPBUSD multiplies unsigned by signed bytes and adds four products to
// a sum of 32 bits without saturation ("Intel 64 and IA-32 Architectures Software Developer's
// Manual", volume 2).
#pragma once

#include "cpu/simd_target.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#include <cstdint>

#define NAMP_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace namp {

// Codes of a register.
inline constexpr int64_t kVnniStep = 64;

// Of the first codes, up to a step.
inline __mmask64 vnni_mask(int64_t count) {
  return count >= kVnniStep ? ~__mmask64{0} : (__mmask64{1} << count) - 1;
}

// Adds 128 to each code, which makes it unsigned, by its sign bit.
NAMP_VNNI inline __m512i vnni_unsigned(__m512i codes) {
  return _mm512_xor_si512(codes, _mm512_set1_epi8(-128));
}

// With AVX-512 asked for on a machine that has more, the kernels are AVX-512's own, so that a test
// there runs them too.
inline bool has_vnni(namp_simd simd) {
  return simd >= NAMP_SIMD_AVX512 && simd == best_simd() && __builtin_cpu_supports("avx512vnni");
}

}  // namespace namp

#endif
