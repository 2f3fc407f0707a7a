// Turns a run-time activation into a type.
#pragma once

#include "cuda/platform.cuh"

#include "formulas/activation.h"
#include "nativeamp.h"

namespace namp::cuda {

// Calls body(Relu{}) and so on.
template <class Body>
NAMP_DEVICE void with_activation(int32_t activation, Body&& body) {
  switch (activation) {
    case NAMP_ACTIVATION_RELU:
      return body(Relu());
    case NAMP_ACTIVATION_GELU:
      return body(Gelu());
    case NAMP_ACTIVATION_GELU_TANH:
      return body(GeluTanh());
    default:
      return body(Identity());
  }
}

}  // namespace namp::cuda
