// The functions of namp_map: X(value, formula of formulas/functions.h, whether it reads b).
#pragma once

#define NAMP_FOR_EACH_FUNCTION(X)                          \
  X(NAMP_FUNCTION_SCALE, Scale, false)                     \
  X(NAMP_FUNCTION_ADD, WeightedSum, true)                  \
  X(NAMP_FUNCTION_MULTIPLY, Product, true)                 \
  X(NAMP_FUNCTION_DIVIDE, Quotient, true)                  \
  X(NAMP_FUNCTION_EQUAL, Equality, true)                   \
  X(NAMP_FUNCTION_EXP, Exponential, false)                 \
  X(NAMP_FUNCTION_LOG, Logarithm, false)                   \
  X(NAMP_FUNCTION_SQRT, SquareRoot, false)                 \
  X(NAMP_FUNCTION_ABS, Magnitude, false)                   \
  X(NAMP_FUNCTION_CLAMP, Clamp, false)                     \
  X(NAMP_FUNCTION_POW, Power, false)                       \
  X(NAMP_FUNCTION_SQRT_GRADIENT, SquareRootGradient, true) \
  X(NAMP_FUNCTION_ABS_GRADIENT, MagnitudeGradient, true)   \
  X(NAMP_FUNCTION_CLAMP_GRADIENT, ClampGradient, true)     \
  X(NAMP_FUNCTION_POW_GRADIENT, PowerGradient, true)

namespace namp {

// Whether a function reads b.
constexpr bool reads_b(int32_t function) {
  switch (function) {
#define NAMP_CASE(VALUE, Formula, reads) \
  case VALUE:                            \
    return reads;
    NAMP_FOR_EACH_FUNCTION(NAMP_CASE)
#undef NAMP_CASE
    default:
      return false;
  }
}

}  // namespace namp
