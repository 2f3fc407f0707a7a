#include "cpu/simd_target.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace namp {
namespace {

#if defined(__x86_64__) && defined(__GNUC__)

// Whether the system lets this process use AMX's tiles, whose state it has to save: it has to be
// asked (Linux, Documentation/arch/x86/xstate.rst), and answers for all threads. Elsewhere: no.
bool tiles_are_granted() noexcept {
#if defined(__linux__)
  constexpr long kRequest = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;     // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
#else
  return false;
#endif
}

// What a machine with AVX-512 has for bfloat16 besides ("Intel 64 and IA-32 Architectures Software
// Developer's Manual", volume 2A, CPUID, leaf 7). Clang 14's __builtin_cpu_supports lacks it.
// Where AMX is, products by vdpbf16ps take longer than widened ones (docs/native-library.md); on an
// AMD EPYC the instruction does twice as much as a fused multiply-add (docs/performance.md).
namp_simd detect_bfloat16() noexcept {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  constexpr unsigned kAmx = 1u << 22 | 1u << 24;  // AMX-BF16, AMX-TILE
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAmx) == kAmx)
    return tiles_are_granted() ? NAMP_SIMD_AMX_BF16 : NAMP_SIMD_AVX512;
  constexpr unsigned kDots = 1u << 5;  // AVX512_BF16
  const bool dots = __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & kDots) != 0;
  return dots ? NAMP_SIMD_AVX512_BF16 : NAMP_SIMD_AVX512;
}

#endif

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
  return avx512 ? detect_bfloat16() : NAMP_SIMD_AVX2;
#elif defined(__aarch64__) && defined(__linux__)
  constexpr unsigned long kDots = 1ul << 20;  // HWCAP_ASIMDDP (Linux, Documentation/arch/arm64)
  return (getauxval(AT_HWCAP) & kDots) != 0 ? NAMP_SIMD_NEON_DOTPROD : NAMP_SIMD_BASELINE;
#else
  return NAMP_SIMD_BASELINE;
#endif
}

}  // namespace

namp_simd best_simd() noexcept {
  static const namp_simd best = detect();
  return best;
}

bool has_simd(namp_simd simd) noexcept {
#if defined(__x86_64__)
  return simd <= best_simd();  // each has the one before it
#else
  return simd <= NAMP_SIMD_BASELINE || simd == best_simd();
#endif
}

}  // namespace namp
