// Adam's hyperparameters in one line.
#pragma once

#include "nativeamp.h"

namespace namp_test {

inline namp_optimizer_group adam_group(double learning_rate, double beta1, double beta2,
                                       double epsilon, double weight_decay, bool decoupled = true,
                                       bool amsgrad = false, bool maximize = false) {
  namp_optimizer_group group{};
  group.learning_rate = learning_rate;
  group.beta1 = beta1;
  group.beta2 = beta2;
  group.epsilon = epsilon;
  group.weight_decay = weight_decay;
  group.decoupled = decoupled ? 1 : 0;
  group.amsgrad = amsgrad ? 1 : 0;
  group.maximize = maximize ? 1 : 0;
  return group;
}

}  // namespace namp_test
