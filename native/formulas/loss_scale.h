// The update of the loss scale (nativeamp.h, namp_scaler_update). One thread's work; the same on
// the host and on a GPU.
#pragma once

#include "formulas/finite.h"
#include "nativeamp.h"

namespace namp {

// Whether a label or index was out of range since the last update. It, and not the scale, then
// caused the values that are not finite.
NAMP_FORMULA bool met_bad_index(namp_scaler_state& state, const namp_scaler_options& options) {
  if (options.bad_index == nullptr) return false;
  const int64_t count = options.bad_index->count;
  const bool met = count != state.bad_indices;
  state.bad_indices = count;
  return met;
}

NAMP_FORMULA void update_scaler(namp_scaler_state& state, const namp_scaler_options& options,
                                bool overflow) {
  const bool excused = met_bad_index(state, options);
  state.steps = one_more(state.steps);
  state.found_inf = overflow ? 1 : 0;
  if (overflow && excused) {
    state.skipped_steps = one_more(state.skipped_steps);
    return;
  }
  if (overflow) {
    state.skipped_steps = one_more(state.skipped_steps);
    state.consecutive_skips = one_more(state.consecutive_skips);
    state.growth_tracker = -options.growth_delay;
    // Once it is used up, every overflow backs off until it is restored.
    state.hysteresis_left = state.hysteresis_left > 1 ? state.hysteresis_left - 1 : 0;
    if (state.hysteresis_left == 0) {
      if (state.scale <= options.minimum_scale) state.stuck_steps = one_more(state.stuck_steps);
      const float lowered =
          static_cast<float>(static_cast<double>(state.scale) * options.backoff_factor);
      state.scale = lowered < options.minimum_scale ? options.minimum_scale : lowered;
    }
  } else {
    state.consecutive_skips = 0;
    state.growth_tracker = one_more(state.growth_tracker);
    if (options.hysteresis_refill != 0) state.hysteresis_left = options.hysteresis;
    if (state.growth_tracker >= options.growth_interval) {
      const float grown =
          static_cast<float>(static_cast<double>(state.scale) * options.growth_factor);
      if (is_finite(grown) && grown <= options.maximum_scale) state.scale = grown;
      state.growth_tracker = 0;
      state.hysteresis_left = options.hysteresis;
    }
  }
  state.inverse_scale = static_cast<float>(1.0 / static_cast<double>(state.scale));
}

}  // namespace namp
