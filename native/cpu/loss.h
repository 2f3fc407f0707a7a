// Labels of rows that have no class, the weights that all rows share, and the losses' last sum.
#pragma once

#include <cstdint>

#include "cpu/part_sum.h"
#include "formulas/loss.h"

namespace namp {

inline constexpr int64_t kIgnoredLabel = -1;  // its row is ignored
inline constexpr int64_t kInvalidLabel = -2;  // makes its row NaN

struct CrossEntropyWeights {
  float gradient;  // its factor
  float sum;       // of the classes' weights
};

// The loss of the losses of parts, in order.
template <class T>
float combine_loss(const T* parts, int64_t count, bool mean, double divisor) {
  PartSum sum;
  for (int64_t i = 0; i < count; ++i)
    sum.add(static_cast<double>(parts[i]));
  return finish_loss(sum.total(), mean, divisor);
}

}  // namespace namp
