// The element-wise activations: X(value, formula of formulas/activation.h, whether the backward pass
// reads the output, and not the input).
#pragma once

// Those that a product computes in its own pass.
#define NAMP_FOR_EACH_FUSED_ACTIVATION(X) \
  X(NAMP_ACTIVATION_RELU, Relu, true)     \
  X(NAMP_ACTIVATION_GELU, Gelu, false)    \
  X(NAMP_ACTIVATION_GELU_TANH, GeluTanh, false)

#define NAMP_FOR_EACH_ACTIVATION(X)         \
  NAMP_FOR_EACH_FUSED_ACTIVATION(X)         \
  X(NAMP_ACTIVATION_SILU, Silu, false)      \
  X(NAMP_ACTIVATION_SIGMOID, Sigmoid, true) \
  X(NAMP_ACTIVATION_TANH, Tanh, true)
