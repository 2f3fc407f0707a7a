// How the loss scale moves (nativeamp.h, namp_scaler_update). One thread's work; the same on the
// host and on a GPU.
#pragma once

#include "formulas/lane.h"
#include "nativeamp.h"

namespace namp {

NAMP_FORMULA bool is_finite(float x) { return (bits(x) & 0x7fffffffu) < 0x7f800000u; }

NAMP_FORMULA void update_scaler(namp_scaler_state& state, const namp_scaler_options& options,
                                bool overflow) {
  state.steps += 1;
  state.found_inf = overflow ? 1 : 0;
  if (overflow) {
    state.skipped_steps += 1;
    state.consecutive_skips += 1;
    state.growth_tracker = 0;
    // Once it is spent, every overflow backs off until it is refilled.
    state.hysteresis_left = state.hysteresis_left > 1 ? state.hysteresis_left - 1 : 0;
    if (state.hysteresis_left == 0) {
      const float lowered =
          static_cast<float>(static_cast<double>(state.scale) * options.backoff_factor);
      state.scale = lowered < options.minimum_scale ? options.minimum_scale : lowered;
    }
  } else {
    state.consecutive_skips = 0;
    state.growth_tracker += 1;
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
