// Normalization: layer norm over a row, batch norm over a channel (Ba et al. 2016; Ioffe and
// Szegedy 2015). Callers choose the elements that share statistics.
#if defined(NAMP_FORMULAS_NORM_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_NORM_H
#undef NAMP_FORMULAS_NORM_H
#else
#define NAMP_FORMULAS_NORM_H
#endif

#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

// Statistics that the elements of a row share.
struct RowStatistics {
  float mean;
  float inverse_deviation;
};

// Computed from a first mean, and the means of the deviations from it and of their squares. The
// mean deviation corrects the rounding error of the first mean, so that the variance keeps its
// digits for a large mean.
NAMP_FORMULA RowStatistics row_statistics(float first, float rest, float squares, float epsilon) {
  const float variance = squares - rest * rest;
  return {first + rest, 1.0f / sqrt((variance < 0.0f ? 0.0f : variance) + epsilon)};
}

// The mean is subtracted first, not folded into the shift: if it is large, only the last digits of
// x matter.
template <class F>
NAMP_FORMULA F normalize(F x, F mean, F inverse_deviation) {
  return (x - mean) * inverse_deviation;
}

// The gradient of x, from g = gamma * (gradient of the output), normal = normalize(x) and the means
// of g and of g * normal over the elements that share statistics.
template <class F>
NAMP_FORMULA F normalize_gradient(F g, F normal, F inverse_deviation, F mean_g, F mean_g_normal) {
  return (g - mean_g - normal * mean_g_normal) * inverse_deviation;
}

NAMP_FORMULAS_END

#endif
