// Shared facts of the tests of the C interface: the size of an element, and whether sanitizers are
// on.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp_test {

// Whether the library was built with AddressSanitizer: memory has redzones, and the emulated GPU is
// slow. Asked of the program, for the tests themselves are compiled once, without (cmake/TestObjects.cmake).
#if defined(__linux__)
extern "C" __attribute__((weak)) void __asan_init();
inline bool is_sanitized() { return &__asan_init != nullptr; }
#else
inline bool is_sanitized() { return false; }
#endif

// In bytes.
inline int64_t element_size(int32_t dtype) {
  switch (dtype) {
    case NAMP_FLOAT16:
    case NAMP_BFLOAT16:
      return 2;
    case NAMP_UINT8:
    case NAMP_FLOAT8_E4M3:
    case NAMP_FLOAT8_E5M2:
      return 1;
    default:
      return 4;
  }
}

}  // namespace namp_test
