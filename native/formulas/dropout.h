// Inverted dropout (Srivastava et al. 2014): kept elements are scaled up, so that inference needs
// no scaling. formulas/philox.h draws the mask.
#if defined(NAMP_FORMULAS_DROPOUT_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_DROPOUT_H
#undef NAMP_FORMULAS_DROPOUT_H
#else
#define NAMP_FORMULAS_DROPOUT_H
#endif

#include "formulas/dropout_settings.h"
#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

// x scaled, or 0 where the element's random word is below the threshold.
template <class F, class U>
NAMP_FORMULA F drop(F x, U word, const Dropout& dropout) {
  // less compares signed numbers: flipping the upper bit maps the unsigned order to the signed one.
  const auto dropped = less(word ^ U(0x80000000u), U(dropout.threshold ^ 0x80000000u));
  return select(dropped, F(0.0f), x * F(dropout.scale));
}

NAMP_FORMULAS_END

#endif
