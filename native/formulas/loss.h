// Formulas that the losses share on the host and on a GPU: the order of a row's sum, the weight of a
// gradient, and the mean.
#pragma once

#include "formulas/lane.h"

namespace namp {

// Sums that a row of logits is added in: element i to sum i modulo their number, which are then added in
// halves. As many as a block of a GPU has, or the next power of two from the classes on.
inline constexpr int kLossLanes = 1024;
NAMP_FORMULA int loss_lanes(int64_t classes) {
  int lanes = 8;
  while (lanes < kLossLanes && lanes < classes)
    lanes *= 2;
  return lanes;
}

// Whether a row's maximum is so far above the number that was taken from its logits that it must be
// taken itself: else their exponentials could overflow, and differences be rounded more than they are.
NAMP_FORMULA bool is_far(float maximum, float base) { return maximum > base + 16.0f; }

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
