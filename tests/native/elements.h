// Shared facts of the tests of the C interface: the size of an element, and whether sanitizers are
// on.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp_test {

// Whether AddressSanitizer is on: memory has redzones, and the emulated GPU is slow.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool kSanitized = false;
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
