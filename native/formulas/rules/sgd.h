// SGD with momentum, dampening and Nesterov momentum, in PyTorch's order of operations
// (torch/optim/sgd.py, _single_tensor_sgd; Sutskever et al. 2013).
#ifndef NAMP_FORMULAS_RULES_SGD_CONSTANTS
#define NAMP_FORMULAS_RULES_SGD_CONSTANTS

#include "formulas/rules/rule.h"

namespace namp {

struct Sgd {
  struct Constants {
    float momentum;
    float one_minus_dampening;  // 1 in the first step, which sets the buffer to the gradient
    float minus_learning_rate;
    bool nesterov;
  };

  static constexpr int kMinStates = 0;
  static constexpr int kMaxStates = 1;  // with momentum
  static constexpr const char* kStateNames[] = {"momentum_buffer"};

  NAMP_FORMULA static int states(const namp_optimizer_group& group) {
    return group.momentum != 0.0 ? 1 : 0;
  }

  static const char* invalid(const namp_optimizer_group& group) {
    if (!(std::isfinite(group.momentum) && group.momentum >= 0.0))
      return "A group's momentum must be finite and 0 or more.";
    if (!std::isfinite(group.dampening)) return "A group's dampening must be finite.";
    if (group.nesterov != 0 && group.nesterov != 1) return "A group's nesterov must be 0 or 1.";
    if (group.nesterov != 0 && (group.momentum == 0.0 || group.dampening != 0.0))
      return "A group's nesterov needs a momentum above 0 and a dampening of 0.";
    return nullptr;
  }

  NAMP_FORMULA static Constants constants(const namp_optimizer_group& group, int64_t step) {
    Constants c;
    c.momentum = static_cast<float>(group.momentum);
    c.one_minus_dampening = step == 1 ? 1.0f : static_cast<float>(1.0 - group.dampening);
    c.minus_learning_rate = static_cast<float>(-group.learning_rate);
    c.nesterov = group.nesterov != 0;
    return c;
  }
};

}  // namespace namp
#endif

#if defined(NAMP_FORMULAS_RULES_SGD_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_RULES_SGD_H
#undef NAMP_FORMULAS_RULES_SGD_H
#else
#define NAMP_FORMULAS_RULES_SGD_H
#endif

NAMP_FORMULAS_BEGIN

template <int kStates, class F>
NAMP_FORMULA F direction([[maybe_unused]] F* state, F g, const Sgd::Constants& c) {
  if constexpr (kStates == 1) {
    F& momentum_buffer = state[0];
    momentum_buffer = multiply_add(g, F(c.one_minus_dampening), momentum_buffer * c.momentum);
    return c.nesterov ? multiply_add(momentum_buffer, F(c.momentum), g) : momentum_buffer;
  }
  return g;
}

template <class F>
NAMP_FORMULA void move(F& parameter, F direction, const Sgd::Constants& c) {
  parameter = multiply_add(direction, F(c.minus_learning_rate), parameter);
}

NAMP_FORMULAS_END

#endif
