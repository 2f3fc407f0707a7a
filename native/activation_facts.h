// Facts of a namp_activation.
#pragma once

#include <cstdint>

#include "lists/activations.h"
#include "nativeamp.h"

namespace namp {

// Matrix libraries round or approximate before them.
constexpr bool is_gelu(int32_t activation) {
  return activation == NAMP_ACTIVATION_GELU || activation == NAMP_ACTIVATION_GELU_TANH;
}

// Whether its backward pass reads the output, and not the input.
constexpr bool saves_output(int32_t activation) {
#define NAMP_IS(VALUE, Formula, SAVES_OUTPUT) || (activation == VALUE && SAVES_OUTPUT)
  return false NAMP_FOR_EACH_ACTIVATION(NAMP_IS);
#undef NAMP_IS
}

// The elements that the backward pass reads beside the output's gradient. The identity reads none: any
// readable array serves.
constexpr const void* saved_elements(const namp_activation_args& args) {
  if (args.activation == NAMP_ACTIVATION_NONE) return args.output_gradient;
  return saves_output(args.activation) ? args.output : args.input;
}

}  // namespace namp
