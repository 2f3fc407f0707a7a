#include "cpu/simd_target.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif

namespace namp {
namespace {

namp_simd detect() noexcept {
#if defined(__x86_64__) && defined(__GNUC__)
  // __builtin_cpu_supports also asks whether the operating system saves the registers. Clang 14
  // does not know "f16c".
  __builtin_cpu_init();
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
  const bool avx2 = f16c && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("aes");
  if (!avx2) return NAMP_SIMD_BASELINE;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
  return avx512 ? NAMP_SIMD_AVX512 : NAMP_SIMD_AVX2;
#else
  return NAMP_SIMD_BASELINE;
#endif
}

}  // namespace

namp_simd best_simd() noexcept {
  static const namp_simd best = detect();
  return best;
}

bool has_simd(namp_simd simd) noexcept { return simd <= best_simd(); }

}  // namespace namp
