// The element-wise losses: X(name of the kernel, value, formula of formulas/element_loss.h).
#pragma once

#define NAMP_FOR_EACH_ELEMENT_LOSS(X)         \
  X(mse, NAMP_LOSS_MSE, SquaredError)         \
  X(smooth_l1, NAMP_LOSS_SMOOTH_L1, SmoothL1) \
  X(binary_cross_entropy, NAMP_LOSS_BINARY_CROSS_ENTROPY, BinaryCrossEntropy)
