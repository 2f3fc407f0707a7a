// The dtypes. The sizes, names, checks, codecs and loops of both backends follow from a line here;
// nothing else tells dtypes apart by name.
//
// X(dtype, Element, Word, exponent bits, fraction bits, largest finite value,
//   has infinity, saturates infinity, may have a scale)
//
// Element is the type in a kernel, Word the type in memory. A format without infinity has one NaN,
// all ones, and finite values beside it in the highest exponent. A saturating cast turns infinity,
// too, into the largest finite value if the format's specification says so.
#pragma once

#define NAMP_FOR_EACH_FLOAT(X)                                                 \
  X(NAMP_FLOAT32, float, uint32_t, 8, 23, 0x1.fffffep127f, true, false, false) \
  X(NAMP_FLOAT16, Float16, uint16_t, 5, 10, 65504.0f, true, false, false)      \
  X(NAMP_BFLOAT16, BFloat16, uint16_t, 8, 7, 0x1.fep127f, true, false, false)

// Formats that a cast stores too and an optimizer takes gradients in, and that no operator computes
// with.
#define NAMP_FOR_EACH_FLOAT8(X)                                             \
  X(NAMP_FLOAT8_E4M3, Float8E4M3, uint8_t, 4, 3, 448.0f, false, true, true) \
  X(NAMP_FLOAT8_E5M2, Float8E5M2, uint8_t, 5, 2, 57344.0f, true, true, true)

#define NAMP_FOR_EACH_STORED_FLOAT(X) \
  NAMP_FOR_EACH_FLOAT(X)              \
  NAMP_FOR_EACH_FLOAT8(X)

// Codes of 8 bits in blocks of NAMP_BLOCK_ELEMENTS with a scale each (formulas/block_code.h), for
// states of optimizers and for casts from and to float32.
//
// X(dtype, Map, signed, dynamic)
#define NAMP_FOR_EACH_BLOCK_CODE(X)                   \
  X(NAMP_INT8_DYNAMIC, SignedDynamic, true, true)     \
  X(NAMP_UINT8_DYNAMIC, UnsignedDynamic, false, true) \
  X(NAMP_INT8_LINEAR, SignedLinear, true, false)      \
  X(NAMP_UINT8_LINEAR, UnsignedLinear, false, false)

// X(dtype, Word)
#define NAMP_FOR_EACH_INTEGER(X) \
  X(NAMP_INT32, int32_t)         \
  X(NAMP_UINT8, uint8_t)         \
  X(NAMP_INT16, int16_t)
