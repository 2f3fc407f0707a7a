// One element's update by any rule, from its gradient in memory.
#if defined(NAMP_FORMULAS_RULES_UPDATE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_RULES_UPDATE_H
#undef NAMP_FORMULAS_RULES_UPDATE_H
#else
#define NAMP_FORMULAS_RULES_UPDATE_H
#endif

#include "formulas/rules/rule.h"
#include "lists/rules.h"

NAMP_FORMULAS_BEGIN

// All but the rule's move.
template <int kStates, class Rule, class F>
NAMP_FORMULA auto update_direction(F& parameter, F* state, F g, const UpdateConstants<Rule>& c) {
  g = g * c.preamble.inverse_scale * c.preamble.clip_coefficient * c.preamble.sign;
  parameter = parameter * c.preamble.decay;
  // Fused where PyTorch's vectorized kernels are: if two terms cancel, the rounding error of a
  // product would be most of the result.
  if (c.preamble.coupled) g = multiply_add(parameter, F(c.preamble.weight_decay), g);
  return direction<kStates>(state, g, c.rule);
}

template <int kStates, class Rule, class F>
NAMP_FORMULA void update(F& parameter, F* state, F g, const UpdateConstants<Rule>& c) {
  const auto by = update_direction<kStates>(parameter, state, g, c);
  move(parameter, by, c.rule);
}

NAMP_FORMULAS_END

#endif
