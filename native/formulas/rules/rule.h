// Shared by all optimizers' rules: counts of steps, powers, clipping, and a gradient's way
// before a rule sees it. A rule is a struct R of
//   Constants                          the same for all elements of a tensor in a step
//   kMinStates, kMaxStates             how many columns of state it can have, each float32
//   kStateNames                        their names, in torch.optim's words
//   states(group)                      how many of them a group has, from the first on
//   invalid(group)                     what is wrong with a group's hyperparameters, in a sentence;
//   null if nothing constants(group, step)             computed in float64, rounded to float32
//   once; step is the tensor's own, from 1
// and, in the namespace of the lanes, loop-free and in two halves,
//   direction<kStates>(F* state, F gradient, const R::Constants&)
//                                      updates the state, and returns what
//   move(F& parameter, direction, const R::Constants&)
//                                      changes the parameter by
#pragma once

#include <cmath>
#include <cstdint>

#include "formulas/lane.h"
#include "nativeamp.h"

namespace namp {

// base^exponent by repeated squaring: the same bits everywhere, which pow does not promise.
NAMP_FORMULA double power(double base, int64_t exponent) {
  double result = 1.0;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

// The count plus one step.
NAMP_FORMULA int64_t next_step(int64_t step) { return step < INT64_MAX ? step + 1 : step; }

// The row of hyperparameters that a step takes if there are several.
NAMP_FORMULA int64_t group_row(int64_t step, int64_t first_step, int32_t row_count) {
  if (row_count <= 1 || step <= first_step) return 0;
  const int64_t row = step - first_step;
  return row < row_count ? row : row_count - 1;
}

// The groups behind a namp_optimizer_rows: [row_count, group_count].
NAMP_FORMULA const namp_optimizer_group* groups_of(const namp_optimizer_rows& rows) {
  return reinterpret_cast<const namp_optimizer_group*>(&rows + 1);
}

// The coefficient of torch.nn.utils.clip_grad_norm_.
NAMP_FORMULA float clip_coefficient(float max_norm, float gradient_norm) {
  if (!(max_norm > 0.0f)) return 1.0f;
  const double coefficient =
      static_cast<double>(max_norm) / (static_cast<double>(gradient_norm) + 1e-6);
  return coefficient < 1.0 ? static_cast<float>(coefficient) : 1.0f;
}

// The values at the start of an optimizer's step, the same for all its tensors.
struct StepStart {
  int64_t step;         // the optimizer's count after it
  float inverse_scale;  // 1 if the gradients are not scaled
  float clip;           // the clip coefficient
};

// scaler may be null.
NAMP_FORMULA StepStart step_start(const namp_optimizer_state& state,
                                  const namp_scaler_state* scaler, float max_norm) {
  const bool scaled = scaler != nullptr && state.unscaled == 0;
  return {next_step(state.step), scaled ? scaler->inverse_scale : 1.0f,
          clip_coefficient(max_norm, state.gradient_norm)};
}

// The operations on an element before its rule's step. Factors that do not apply are 1, which
// changes nothing.
struct UpdatePreamble {
  float inverse_scale;     // 1 if the gradients are not scaled
  float clip_coefficient;  // 1 without clipping
  float sign;              // -1 to maximize
  float decay;             // decoupled: 1 - lr * wd; else 1
  float weight_decay;      // coupled
  bool coupled;            // L2: decay is added to the gradient
};

// Constants of a step for all elements of a tensor, and for all tensors of its group with the same
// number of updates.
template <class Rule>
struct UpdateConstants {
  UpdatePreamble preamble;
  typename Rule::Constants rule;
};

// step is the tensor's own, counted from 1.
template <class Rule>
NAMP_FORMULA UpdateConstants<Rule> update_constants(const namp_optimizer_group& group, int64_t step,
                                                    float inverse_scale, float clip) {
  UpdateConstants<Rule> c;
  c.preamble.inverse_scale = inverse_scale;
  c.preamble.clip_coefficient = clip;
  c.preamble.sign = group.maximize != 0 ? -1.0f : 1.0f;
  const bool decays = group.weight_decay != 0.0;
  c.preamble.decay = group.decoupled != 0 && decays
                         ? static_cast<float>(1.0 - group.learning_rate * group.weight_decay)
                         : 1.0f;
  c.preamble.coupled = group.decoupled == 0 && decays;
  c.preamble.weight_decay = static_cast<float>(group.weight_decay);
  c.rule = Rule::constants(group, step);
  return c;
}

}  // namespace namp
