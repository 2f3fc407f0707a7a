// RMSprop (Hinton 2012, "Neural networks for machine learning", lecture 6e) in PyTorch's order of operations
// (torch/optim/rmsprop.py, _single_tensor_rmsprop), without its centered variant: the difference of the two averages
// that one takes the root of is rounding noise where gradients repeat, and in fewer bits than float32 everywhere.
#ifndef NAMP_FORMULAS_RULES_RMSPROP_CONSTANTS
#define NAMP_FORMULAS_RULES_RMSPROP_CONSTANTS

#include "formulas/rules/rule.h"

namespace namp {

struct RmsProp {
  struct Constants {
    float alpha;
    float one_minus_alpha;
    float epsilon;
    float momentum;
    float minus_learning_rate;
  };

  static constexpr int kMinStates = 1;
  static constexpr int kMaxStates = 2;  // with momentum
  static constexpr const char* kStateNames[] = {"square_avg", "momentum_buffer"};

  NAMP_FORMULA static int states(const namp_optimizer_group& group) {
    return group.momentum != 0.0 ? 2 : 1;
  }

  static const char* invalid(const namp_optimizer_group& group) {
    if (!(group.beta2 >= 0.0 && group.beta2 < 1.0))
      return "A group's beta2, RMSprop's alpha, must be in [0, 1).";
    if (!(std::isfinite(group.epsilon) && group.epsilon >= 0.0))
      return "A group's epsilon must be finite and 0 or more.";
    if (!(std::isfinite(group.momentum) && group.momentum >= 0.0))
      return "A group's momentum must be finite and 0 or more.";
    return nullptr;
  }

  NAMP_FORMULA static Constants constants(const namp_optimizer_group& group, int64_t) {
    Constants c;
    c.alpha = static_cast<float>(group.beta2);
    c.one_minus_alpha = static_cast<float>(1.0 - group.beta2);
    c.epsilon = static_cast<float>(group.epsilon);
    c.momentum = static_cast<float>(group.momentum);
    c.minus_learning_rate = static_cast<float>(-group.learning_rate);
    return c;
  }
};

}  // namespace namp
#endif

#if defined(NAMP_FORMULAS_RULES_RMSPROP_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_RULES_RMSPROP_H
#undef NAMP_FORMULAS_RULES_RMSPROP_H
#else
#define NAMP_FORMULAS_RULES_RMSPROP_H
#endif

NAMP_FORMULAS_BEGIN

template <int kStates, class F>
NAMP_FORMULA F direction(F* state, F g, const RmsProp::Constants& c) {
  F& square_avg = state[0];
  square_avg = multiply_add(g * c.one_minus_alpha, g, square_avg * c.alpha);
  const F scaled = g / (sqrt(square_avg) + c.epsilon);
  if constexpr (kStates == 2) {
    F& momentum_buffer = state[1];
    momentum_buffer = multiply_add(momentum_buffer, F(c.momentum), scaled);
    return momentum_buffer;
  }
  return scaled;
}

template <class F>
NAMP_FORMULA void move(F& parameter, F direction, const RmsProp::Constants& c) {
  parameter = multiply_add(direction, F(c.minus_learning_rate), parameter);
}

NAMP_FORMULAS_END

#endif
