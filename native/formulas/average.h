// One value more in a moving average.
#if defined(NAMP_FORMULAS_AVERAGE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_AVERAGE_H
#undef NAMP_FORMULAS_AVERAGE_H
#else
#define NAMP_FORMULAS_AVERAGE_H
#endif

#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

template <class F>
NAMP_FORMULA F moved_average(F average, F value, float weight) {
  return weight == 1.0f ? value : multiply_add(value - average, F(weight), average);
}

NAMP_FORMULAS_END

#endif
