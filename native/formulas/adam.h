// FP32 Adam and AdamW in PyTorch's order of operations (torch/optim/adam.py, _single_tensor_adam;
// Kingma and Ba 2015, Loshchilov and Hutter 2019).
#if defined(NAMP_FORMULAS_ADAM_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_ADAM_H
#undef NAMP_FORMULAS_ADAM_H
#else
#define NAMP_FORMULAS_ADAM_H
#endif

#include "formulas/adam_constants.h"
#include "formulas/lane.h"

NAMP_FORMULAS_BEGIN

// What Adam keeps of an element.
template <class F>
struct AdamElement {
  F parameter;
  F exp_avg;
  F exp_avg_sq;
  F max_exp_avg_sq;  // with amsgrad
};

// One step of an element with gradient g as it lies in memory.
template <class F>
NAMP_FORMULA void adam_step(AdamElement<F>& x, F g, const AdamConstants& c) {
  // Factors that do not apply are 1, which changes nothing.
  g = g * c.inverse_scale * c.clip_coefficient * c.sign;
  x.parameter = x.parameter * c.decay;
  // Fused where PyTorch's vectorised kernel is: where two terms cancel, a rounded product would be
  // most of what is left.
  if (c.coupled) g = multiply_add(x.parameter, F(c.weight_decay), g);
  x.exp_avg = multiply_add(g - x.exp_avg, F(c.one_minus_beta1), x.exp_avg);
  x.exp_avg_sq = multiply_add(g * c.one_minus_beta2, g, x.exp_avg_sq * c.beta2);
  F v = x.exp_avg_sq;
  if (c.amsgrad) {
    // NaN wins, as in torch.maximum.
    x.max_exp_avg_sq = select(v > x.max_exp_avg_sq || !(v == v), v, x.max_exp_avg_sq);
    v = x.max_exp_avg_sq;
  }
  x.parameter =
      x.parameter - (x.exp_avg * c.step_size) / (sqrt(v) / c.sqrt_correction2 + c.epsilon);
}

NAMP_FORMULAS_END

#endif
