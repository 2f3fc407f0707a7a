// Normalisation: layer norm over a row, batch norm over a channel (Ba et al. 2016; Ioffe and
// Szegedy 2015). Which elements share a mean is the caller's matter.
#if defined(NAMP_FORMULAS_NORM_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_NORM_H
#undef NAMP_FORMULAS_NORM_H
#else
#define NAMP_FORMULAS_NORM_H
#endif

#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

// What the elements of a row share.
struct RowStatistics {
  float mean;
  float inverse_deviation;
};

// From the mean as it was first computed, and the means of the deviations from it and of their
// squares: the first corrects what rounding left of it, so that the variance keeps its digits
// however large the mean is.
NAMP_FORMULA RowStatistics row_statistics(float first, float rest, float squares, float epsilon) {
  const float variance = squares - rest * rest;
  return {first + rest, 1.0f / sqrt((variance < 0.0f ? 0.0f : variance) + epsilon)};
}

// The mean is subtracted first, and not folded into the shift: where it is large the digits of x
// that matter are the last ones.
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
