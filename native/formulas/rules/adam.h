// Adam and AdamW in PyTorch's order of operations (torch/optim/adam.py, _single_tensor_adam; Kingma
// and Ba 2015, Loshchilov and Hutter 2019), AMSGrad (Reddi et al. 2018).
#ifndef NAMP_FORMULAS_RULES_ADAM_CONSTANTS
#define NAMP_FORMULAS_RULES_ADAM_CONSTANTS

#include "formulas/rules/rule.h"

namespace namp {

struct Adam {
  struct Constants {
    float one_minus_beta1;
    float beta2;
    float one_minus_beta2;
    float epsilon;
    float sqrt_correction2;  // sqrt(1 - beta2^t)
    float step_size;         // lr / (1 - beta1^t)
  };

  static constexpr int kMinStates = 2;
  static constexpr int kMaxStates = 3;  // with AMSGrad
  static constexpr const char* kStateNames[] = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};

  NAMP_FORMULA static int states(const namp_optimizer_group& group) {
    return group.amsgrad != 0 ? 3 : 2;
  }

  static const char* invalid(const namp_optimizer_group& group) {
    if (!(group.beta1 >= 0.0 && group.beta1 < 1.0)) return "A group's beta1 must be in [0, 1).";
    if (!(group.beta2 >= 0.0 && group.beta2 < 1.0)) return "A group's beta2 must be in [0, 1).";
    if (!(std::isfinite(group.epsilon) && group.epsilon >= 0.0))
      return "A group's epsilon must be finite and 0 or more.";
    return nullptr;
  }

  NAMP_FORMULA static Constants constants(const namp_optimizer_group& group, int64_t step) {
    Constants c;
    c.one_minus_beta1 = static_cast<float>(1.0 - group.beta1);
    c.beta2 = static_cast<float>(group.beta2);
    c.one_minus_beta2 = static_cast<float>(1.0 - group.beta2);
    c.epsilon = static_cast<float>(group.epsilon);
    c.sqrt_correction2 = static_cast<float>(::sqrt(1.0 - power(group.beta2, step)));
    c.step_size = static_cast<float>(group.learning_rate / (1.0 - power(group.beta1, step)));
    return c;
  }
};

}  // namespace namp
#endif

#if defined(NAMP_FORMULAS_RULES_ADAM_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_RULES_ADAM_H
#undef NAMP_FORMULAS_RULES_ADAM_H
#else
#define NAMP_FORMULAS_RULES_ADAM_H
#endif

NAMP_FORMULAS_BEGIN

// A parameter's change is their quotient, once the root is corrected.
template <class F>
struct AdamDirection {
  F numerator;
  F root;
};

template <int kStates, class F>
NAMP_FORMULA AdamDirection<F> direction(F* state, F g, const Adam::Constants& c) {
  F& exp_avg = state[0];
  F& exp_avg_sq = state[1];
  exp_avg = multiply_add(g - exp_avg, F(c.one_minus_beta1), exp_avg);
  exp_avg_sq = multiply_add(g * c.one_minus_beta2, g, exp_avg_sq * c.beta2);
  F v = exp_avg_sq;
  if constexpr (kStates == 3) {
    // A NaN counts as the largest, as in torch.maximum.
    state[2] = select(v > state[2] || !(v == v), v, state[2]);
    v = state[2];
  }
  return {exp_avg * c.step_size, sqrt(v)};
}

template <class F>
NAMP_FORMULA void move(F& parameter, const AdamDirection<F>& d, const Adam::Constants& c) {
  parameter = parameter - d.numerator / (d.root / c.sqrt_correction2 + c.epsilon);
}

NAMP_FORMULAS_END

#endif
