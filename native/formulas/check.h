// The facts of a check of gradients from those of its chunks, on the host and on a GPU.
#pragma once

#include <cmath>

#include "formulas/finite.h"
#include "nativeamp.h"

namespace namp {

// The initial sum of squares: from the norm of the tables that were checked before in the step.
NAMP_FORMULA double squares_before(const namp_optimizer_state& state, bool reset) {
  const double norm = reset ? 0.0 : static_cast<double>(state.gradient_norm);
  return norm * norm;
}

// The number of elements of a table that are not finite, and the first tensor that has one, or -1.
struct NonFinite {
  int64_t count;
  int64_t first_tensor;
};

// Updates the state after a check, which begins a step (reset) or adds to earlier findings.
NAMP_FORMULA void finish_check(namp_optimizer_state& state, bool reset, bool unscales,
                               double sum_of_squares, NonFinite found, float inverse_scale) {
  const bool overflow = found.count != 0 || !is_finite(inverse_scale);
  const bool had_tensor = !reset && state.first_non_finite_tensor >= 0;
  state.found_inf = (!reset && state.found_inf != 0) || overflow ? 1 : 0;
  state.non_finite_count = add_counts(reset ? 0 : state.non_finite_count, found.count);
  if (!had_tensor) state.first_non_finite_tensor = found.first_tensor;
  state.gradient_norm = static_cast<float>(::sqrt(sum_of_squares));
  if (unscales) {
    state.unscaled = 1;
  } else if (reset) {
    state.unscaled = 0;
  }
}

}  // namespace namp
