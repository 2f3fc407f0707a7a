// Which activations are GELUs: what library products round or approximate on the way to them.
#pragma once

#include <cstdint>

#include "nativeamp.h"

namespace namp {

// activation is a namp_activation.
constexpr bool is_gelu(int32_t activation) {
  return activation == NAMP_ACTIVATION_GELU || activation == NAMP_ACTIVATION_GELU_TANH;
}

}  // namespace namp
