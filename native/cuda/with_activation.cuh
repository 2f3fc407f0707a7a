// Turns a run-time activation into a type.
#pragma once

#include "cuda/platform.cuh"

#include "formulas/activation.h"
#include "lists/activations.h"
#include "nativeamp.h"

namespace namp::cuda {

#define NAMP_CASE(VALUE, Formula, ...) \
  case VALUE:                          \
    return body(Formula());

// Calls body(Relu{}) and so on.
template <class Body>
NAMP_DEVICE void with_activation(int32_t activation, Body&& body) {
  switch (activation) {
    NAMP_FOR_EACH_ACTIVATION(NAMP_CASE)
    default:
      return body(Identity());
  }
}

// The same for those of a product's own pass.
template <class Body>
NAMP_DEVICE void with_fused_activation(int32_t activation, Body&& body) {
  switch (activation) {
    NAMP_FOR_EACH_FUSED_ACTIVATION(NAMP_CASE)
    default:
      return body(Identity());
  }
}
#undef NAMP_CASE

}  // namespace namp::cuda
