// The floating-point mode that results are defined in: rounding to nearest even, subnormals kept,
// no traps. A caller's thread may have another mode (a library built with -ffast-math was loaded,
// or fesetround was called). A thread begins in the mode of the one that started it.
#pragma once

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#include <cfenv>
#endif

namespace namp {

// The bits of the thread's control register that change results.
#if defined(__x86_64__) || defined(_M_X64)

class FloatControl {
 public:
  using Bits = uint32_t;
  static Bits read() noexcept { return _mm_getcsr(); }
  static void write(Bits bits) noexcept { _mm_setcsr(bits); }
  // Ignores the flags of past exceptions.
  static bool is_default(Bits bits) noexcept { return (bits & 0xffc0u) == kDefault; }
  static constexpr Bits kDefault = 0x1f80;  // MXCSR with all exceptions masked
};

#elif defined(__aarch64__)

class FloatControl {
 public:
  using Bits = uint64_t;
  static Bits read() noexcept {
    Bits bits;
    __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
    return bits;
  }
  static void write(Bits bits) noexcept { __asm__ volatile("msr fpcr, %0" : : "r"(bits)); }
  static bool is_default(Bits bits) noexcept { return bits == kDefault; }
  static constexpr Bits kDefault = 0;
};

#else

// Only the rounding.
class FloatControl {
 public:
  using Bits = int;
  static Bits read() noexcept { return std::fegetround(); }
  static void write(Bits bits) noexcept { std::fesetround(bits); }
  static bool is_default(Bits bits) noexcept { return bits == kDefault; }
  static constexpr Bits kDefault = FE_TONEAREST;
};

#endif

// Whether this thread, or a worker of one of its OpenMP's regions, was ever found in another mode. The
// workers then have to be checked before oneDNN's regions run on them (cpu/team_float_mode.h).
inline constinit thread_local bool met_other_mode = false;

// While it lives, this thread computes in the default mode; then in its own mode again. If that is
// the default, as nearly always, it costs one read. Otherwise it sets met_other_mode.
class FloatMode {
 public:
  FloatMode() noexcept : before_(FloatControl::read()) {
    if (was_default()) return;
    FloatControl::write(FloatControl::kDefault);
    met_other_mode = true;
  }
  FloatMode(const FloatMode&) = delete;
  FloatMode& operator=(const FloatMode&) = delete;
  ~FloatMode() {
    if (!was_default()) FloatControl::write(before_);
  }

 private:
  bool was_default() const noexcept { return FloatControl::is_default(before_); }

  const FloatControl::Bits before_;
};

}  // namespace namp
