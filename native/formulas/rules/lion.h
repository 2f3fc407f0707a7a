// Lion: the sign of a blend of momentum and gradient (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms",
// program 1), with products and sums where PyTorch's mul_ and add_(alpha) would round.
#ifndef NAMP_FORMULAS_RULES_LION_CONSTANTS
#define NAMP_FORMULAS_RULES_LION_CONSTANTS

#include "formulas/rules/rule.h"

namespace namp {

struct Lion {
  struct Constants {
    float beta1;
    float one_minus_beta1;
    float beta2;
    float one_minus_beta2;
    float learning_rate;
  };

  static constexpr int kMinStates = 1;
  static constexpr int kMaxStates = 1;
  static constexpr const char* kStateNames[] = {"exp_avg"};

  NAMP_FORMULA static int states(const namp_optimizer_group&) { return 1; }

  static const char* invalid(const namp_optimizer_group& group) {
    if (!(group.beta1 >= 0.0 && group.beta1 < 1.0)) return "A group's beta1 must be in [0, 1).";
    if (!(group.beta2 >= 0.0 && group.beta2 < 1.0)) return "A group's beta2 must be in [0, 1).";
    return nullptr;
  }

  NAMP_FORMULA static Constants constants(const namp_optimizer_group& group, int64_t) {
    Constants c;
    c.beta1 = static_cast<float>(group.beta1);
    c.one_minus_beta1 = static_cast<float>(1.0 - group.beta1);
    c.beta2 = static_cast<float>(group.beta2);
    c.one_minus_beta2 = static_cast<float>(1.0 - group.beta2);
    c.learning_rate = static_cast<float>(group.learning_rate);
    return c;
  }
};

}  // namespace namp
#endif

#if defined(NAMP_FORMULAS_RULES_LION_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_RULES_LION_H
#undef NAMP_FORMULAS_RULES_LION_H
#else
#define NAMP_FORMULAS_RULES_LION_H
#endif

NAMP_FORMULAS_BEGIN

template <int kStates, class F>
NAMP_FORMULA F direction(F* state, F g, const Lion::Constants& c) {
  F& exp_avg = state[0];
  const F blend = multiply_add(g, F(c.one_minus_beta1), exp_avg * c.beta1);
  // The sign of 0 is 0.
  const F change = select(blend > F(0.0f), F(c.learning_rate),
                          select(blend < F(0.0f), F(-c.learning_rate), F(0.0f)));
  exp_avg = multiply_add(g, F(c.one_minus_beta2), exp_avg * c.beta2);
  return change;
}

template <class F>
NAMP_FORMULA void move(F& parameter, F change, const Lion::Constants&) {
  parameter = parameter - change;
}

NAMP_FORMULAS_END

#endif
