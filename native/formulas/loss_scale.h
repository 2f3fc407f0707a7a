// How the loss scale moves (nativeamp.h, namp_scaler_update). One thread's work; the same on the
// host and on a GPU.
#pragma once

#include "formulas/lane.h"
#include "nativeamp.h"

namespace namp {

NAMP_FORMULA bool is_finite(float x) { return (bits(x) & 0x7fffffffu) < 0x7f800000u; }

// One more, where the type has room for it.
NAMP_FORMULA int32_t count_on(int32_t x) { return x < INT32_MAX ? x + 1 : x; }
NAMP_FORMULA int64_t count_on(int64_t x) { return x < INT64_MAX ? x + 1 : x; }

NAMP_FORMULA void update_scaler(namp_scaler_state& state, const namp_scaler_options& options,
                                bool overflow) {
  state.steps = count_on(state.steps);
  state.found_inf = overflow ? 1 : 0;
  if (overflow) {
    state.skipped_steps = count_on(state.skipped_steps);
    state.consecutive_skips = count_on(state.consecutive_skips);
    state.growth_tracker = -options.growth_delay;
    // Once it is spent, every overflow backs off until it is refilled.
    state.hysteresis_left = state.hysteresis_left > 1 ? state.hysteresis_left - 1 : 0;
    if (state.hysteresis_left == 0) {
      if (state.scale <= options.minimum_scale) state.stuck_steps = count_on(state.stuck_steps);
      const float lowered =
          static_cast<float>(static_cast<double>(state.scale) * options.backoff_factor);
      state.scale = lowered < options.minimum_scale ? options.minimum_scale : lowered;
    }
  } else {
    state.consecutive_skips = 0;
    state.growth_tracker = count_on(state.growth_tracker);
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
