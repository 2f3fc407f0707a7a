// Batch norm's running mean and variance of a channel (nativeamp.h, namp_batch_norm_args): the same
// on the host and on a GPU.
#pragma once

#include "formulas/finite.h"

namespace namp {

// Whether a batch has valid statistics. A step that overflowed is skipped, but its values would
// stay in a running statistic for ever.
NAMP_FORMULA bool has_statistics(double mean, double variance) {
  return is_finite(static_cast<float>(mean)) && is_finite(static_cast<float>(variance));
}

NAMP_FORMULA float move_statistic(float running, double value, float momentum) {
  const auto m = static_cast<double>(momentum);
  return static_cast<float>((1.0 - m) * static_cast<double>(running) + m * value);
}

}  // namespace namp
