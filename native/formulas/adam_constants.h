// What is the same for all elements of a tensor in an Adam step, and for all tensors of its group
// that were updated as often: computed in float64, rounded to float32 once.
#pragma once

#include "formulas/lane.h"
#include "nativeamp.h"

namespace namp {

struct AdamConstants {
  float inverse_scale;     // 1 where the gradients are not scaled
  float clip_coefficient;  // 1 without clipping
  float sign;              // -1 to maximize
  float decay;             // decoupled: 1 - lr * wd; else 1
  float weight_decay;      // coupled
  float one_minus_beta1;
  float beta2;
  float one_minus_beta2;
  float epsilon;
  float sqrt_correction2;  // sqrt(1 - beta2^t)
  float step_size;         // lr / (1 - beta1^t)
  bool coupled;            // L2: decay is added to the gradient
  bool amsgrad;
};

// base^exponent by repeated squaring: the same bits wherever it runs, which pow does not promise.
NAMP_FORMULA double power(double base, int64_t exponent) {
  double result = 1.0;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

// The count after one more step.
NAMP_FORMULA int64_t next_step(int64_t step) { return step < INT64_MAX ? step + 1 : step; }

// torch.nn.utils.clip_grad_norm_'s.
NAMP_FORMULA float clip_coefficient(float max_norm, float gradient_norm) {
  if (!(max_norm > 0.0f)) return 1.0f;
  const double coefficient =
      static_cast<double>(max_norm) / (static_cast<double>(gradient_norm) + 1e-6);
  return coefficient < 1.0 ? static_cast<float>(coefficient) : 1.0f;
}

// step is the tensor's own, counted from 1.
NAMP_FORMULA AdamConstants adam_constants(const namp_adam_group& group, int64_t step,
                                          float inverse_scale, float clip) {
  AdamConstants c;
  c.inverse_scale = inverse_scale;
  c.clip_coefficient = clip;
  c.sign = group.maximize != 0 ? -1.0f : 1.0f;
  const bool decays = group.weight_decay != 0.0;
  c.decay = group.decoupled != 0 && decays
                ? static_cast<float>(1.0 - group.learning_rate * group.weight_decay)
                : 1.0f;
  c.coupled = group.decoupled == 0 && decays;
  c.weight_decay = static_cast<float>(group.weight_decay);
  c.one_minus_beta1 = static_cast<float>(1.0 - group.beta1);
  c.beta2 = static_cast<float>(group.beta2);
  c.one_minus_beta2 = static_cast<float>(1.0 - group.beta2);
  c.epsilon = static_cast<float>(group.epsilon);
  c.sqrt_correction2 = static_cast<float>(::sqrt(1.0 - power(group.beta2, step)));
  c.step_size = static_cast<float>(group.learning_rate / (1.0 - power(group.beta1, step)));
  c.amsgrad = group.amsgrad != 0;
  return c;
}

}  // namespace namp
