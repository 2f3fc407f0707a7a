// Formulas that the losses share on the host and on a GPU: the weight of a gradient, and the mean.
#pragma once

#include "formulas/lane.h"

namespace namp {

// The factor of the gradient of the loss: upstream * scale / divisor. Null counts as 1.
NAMP_FORMULA float loss_weight(const float* upstream, const float* scale, int64_t divisor) {
  double weight = 1.0;
  if (upstream != nullptr) weight *= static_cast<double>(*upstream);
  if (scale != nullptr) weight *= static_cast<double>(*scale);
  return static_cast<float>(weight / static_cast<double>(divisor));
}

// The loss of terms that were added in order: their sum, or their mean. The mean of no terms is
// NaN.
NAMP_FORMULA float finish_loss(double sum, bool mean, int64_t divisor) {
  if (!mean) return static_cast<float>(sum);
  if (divisor == 0) return from_bits(uint32_t{0x7fc00000});
  return static_cast<float>(sum / static_cast<double>(divisor));
}

}  // namespace namp
