// The dtypes of lists/dtypes.h as types and facts, for both backends.
#pragma once

#include <cstdint>

#include "lists/dtypes.h"
#include "nativeamp.h"

namespace namp {

// Elements in memory.
struct Float16 {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};
struct Float8E4M3 {
  uint8_t bits;
};
struct Float8E5M2 {
  uint8_t bits;
};

// The maps of 8-bit codes in blocks.
#define NAMP_MAP(DTYPE, Map, SIGNED, DYNAMIC) \
  struct Map {                                \
    static constexpr bool kSigned = SIGNED;   \
    static constexpr bool kDynamic = DYNAMIC; \
  };
NAMP_FOR_EACH_BLOCK_CODE(NAMP_MAP)
#undef NAMP_MAP

constexpr float power_of_two(int exponent) {
  float x = 1.0f;
  for (; exponent > 0; --exponent)
    x *= 2.0f;
  for (; exponent < 0; ++exponent)
    x *= 0.5f;
  return x;
}

// The format of a floating-point element.
template <class Element>
struct Format;

#define NAMP_FORMAT(DTYPE, Element, Word, EXPONENT, FRACTION, LARGEST, HAS_INFINITY, SATURATES, \
                    SCALE)                                                                      \
  template <>                                                                                   \
  struct Format<Element> {                                                                      \
    static constexpr int kBits = 1 + EXPONENT + FRACTION;                                       \
    static constexpr int kExponentBits = EXPONENT;                                              \
    static constexpr int kFractionBits = FRACTION;                                              \
    static constexpr int kBias = (1 << (EXPONENT - 1)) - 1;                                     \
    static constexpr float kLargest = LARGEST;                                                  \
    static constexpr bool kHasInfinity = HAS_INFINITY;                                          \
    static constexpr bool kSaturatesInfinity = SATURATES;                                       \
    static constexpr bool kMayHaveScale = SCALE;                                                \
    /* Without the sign: the codes of infinity, and of what overflows. */                       \
    static constexpr uint32_t kInfinity = ((1u << EXPONENT) - 1u) << FRACTION;                  \
    static constexpr uint32_t kOverflow = HAS_INFINITY ? kInfinity : (1u << (kBits - 1)) - 1u;  \
    static_assert(sizeof(Element) == sizeof(Word) && kBits == 8 * sizeof(Word), "of one size"); \
  };
NAMP_FOR_EACH_STORED_FLOAT(NAMP_FORMAT)
#undef NAMP_FORMAT

// Bytes of an element; 0 for NAMP_DTYPE_NONE and unknown values.
constexpr int dtype_size(int32_t dtype) {
  switch (dtype) {
#define NAMP_SIZE(DTYPE, Element, Word, ...) \
  case DTYPE:                                \
    return sizeof(Word);
    NAMP_FOR_EACH_STORED_FLOAT(NAMP_SIZE)
#undef NAMP_SIZE
#define NAMP_SIZE(DTYPE, Word) \
  case DTYPE:                  \
    return sizeof(Word);
    NAMP_FOR_EACH_INTEGER(NAMP_SIZE)
#undef NAMP_SIZE
#define NAMP_SIZE(DTYPE, ...) \
  case DTYPE:                 \
    return 1;
    NAMP_FOR_EACH_BLOCK_CODE(NAMP_SIZE)
#undef NAMP_SIZE
  }
  return 0;
}

// The address of an element; null stays null.
inline void* offset(const void* data, int32_t dtype, int64_t elements) {
  return data == nullptr
             ? nullptr
             : const_cast<char*>(static_cast<const char*>(data)) + elements * dtype_size(dtype);
}

// Whether operators compute with the dtype.
constexpr bool is_float(int32_t dtype) {
#define NAMP_IS(DTYPE, ...) || dtype == DTYPE
  return false NAMP_FOR_EACH_FLOAT(NAMP_IS);
#undef NAMP_IS
}

// Whether the dtype is a floating-point format.
constexpr bool is_stored_float(int32_t dtype) {
#define NAMP_IS(DTYPE, ...) || dtype == DTYPE
  return false NAMP_FOR_EACH_STORED_FLOAT(NAMP_IS);
#undef NAMP_IS
}

// Whether the dtype is FP8.
constexpr bool is_float8(int32_t dtype) { return is_stored_float(dtype) && !is_float(dtype); }

// Whether the dtype is 8-bit codes in blocks, whose cells have a scale for each block.
constexpr bool is_block_code(int32_t dtype) {
#define NAMP_IS(DTYPE, ...) || dtype == DTYPE
  return false NAMP_FOR_EACH_BLOCK_CODE(NAMP_IS);
#undef NAMP_IS
}

// Whether a cast reads and writes the dtype.
constexpr bool is_cast(int32_t dtype) { return is_stored_float(dtype) || is_block_code(dtype); }

// Whether an optimizer keeps state in the dtype. Not float16: second moments are below its range.
constexpr bool is_state(int32_t dtype) {
  return dtype == NAMP_FLOAT32 || dtype == NAMP_BFLOAT16 || is_block_code(dtype);
}

// Whether a cell of the dtype may have a scale.
constexpr bool may_have_scale(int32_t dtype) {
#define NAMP_MAY(DTYPE, Element, ...) || (dtype == DTYPE && Format<Element>::kMayHaveScale)
  return is_block_code(dtype) NAMP_FOR_EACH_STORED_FLOAT(NAMP_MAY);
#undef NAMP_MAY
}

}  // namespace namp
