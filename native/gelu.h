// Which activations are GELUs. Matrix libraries round or approximate before them.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

// activation is a namp_activation.
constexpr bool is_gelu(int32_t activation) {
  return activation == NAMP_ACTIVATION_GELU || activation == NAMP_ACTIVATION_GELU_TANH;
}

}  // namespace namp
