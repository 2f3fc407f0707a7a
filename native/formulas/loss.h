// Formulas that the losses share on the host and on a GPU: the order of a row's sum, a row of
// cross-entropy, the weight of a gradient, and the mean.
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

// A row of cross-entropy with class weights w and label smoothing e, as nativeamp.h defines it. Without
// both, label and all are 1 and each is 0, and the functions below give the bits of log_sum - distance and
// of (softmax - onehot) * weight.
struct RowShares {
  float label;  // (1 - e) w[label]
  float each;   // e / classes
  float all;    // label + each * the sum of w: the factor of the softmax in the gradient
};
NAMP_FORMULA RowShares row_shares(float smoothing, int64_t classes, float label_weight,
                                  float weight_sum) {
  const float label = (1.0f - smoothing) * label_weight;
  const float each = smoothing / static_cast<float>(classes);
  return {label, each, smoothing > 0.0f ? label + each * weight_sum : label};
}

// log_sum is the logarithm of the sum of exponentials of the logits less their maximum, distance the
// label's logit less it, and below the sum over classes of w times their logits less it (0 where each is).
// No term is negative where w is not: nothing cancels.
NAMP_FORMULA float row_loss(const RowShares& shares, float log_sum, float distance, float below) {
  return shares.all * log_sum - shares.label * distance - shares.each * below;
}

// The gradient of the label's logit, whose softmax is given.
NAMP_FORMULA float label_gradient(const RowShares& shares, float softmax, float label_weight,
                                  float weight) {
  return (softmax * shares.all - shares.each * label_weight - shares.label) * weight;
}

// The factor of the gradient of the loss: upstream * scale / divisor, which is 1 of a sum. Null counts
// as 1, and so does the divisor of a mean of nothing.
NAMP_FORMULA float loss_weight(const float* upstream, const float* scale, bool mean,
                               double divisor) {
  double weight = 1.0;
  if (upstream != nullptr) weight *= static_cast<double>(*upstream);
  if (scale != nullptr) weight *= static_cast<double>(*scale);
  return static_cast<float>(mean && !(divisor == 0.0) ? weight / divisor : weight);
}

// The loss of terms that were added in order: their sum, or their mean. The mean of nothing is NaN.
NAMP_FORMULA float finish_loss(double sum, bool mean, double divisor) {
  if (!mean) return static_cast<float>(sum);
  if (divisor == 0.0) return from_bits(uint32_t{0x7fc00000});
  return static_cast<float>(sum / divisor);
}

}  // namespace namp
