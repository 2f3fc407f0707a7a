// Activations and their derivatives. A formula has forward(x) and backward(g, saved), the gradient
// of x, where saved is x, or the output where kSavesOutput says so.
#if defined(NAMP_FORMULAS_ACTIVATION_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_ACTIVATION_H
#undef NAMP_FORMULAS_ACTIVATION_H
#else
#define NAMP_FORMULAS_ACTIVATION_H
#endif

#include "formulas/lane.h"
#include "formulas/math.h"

NAMP_FORMULAS_BEGIN

struct Identity {
  static constexpr bool kSavesOutput = true;

  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return x;
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F) {
    return g;
  }
};

// A NaN stays one.
struct Relu {
  static constexpr bool kSavesOutput = true;

  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return select(x <= 0.0f, F(0.0f), x);
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F y) {
    return select(y > 0.0f, g, F(0.0f));
  }
};

// x Phi(x), Phi being the normal distribution: Hendrycks and Gimpel, "Gaussian Error Linear Units"
// (2016).
struct Gelu {
  static constexpr bool kSavesOutput = false;

  template <class F>
  static NAMP_FORMULA F phi(F x) {
    return (erf(x * 0.70710678f) + 1.0f) * 0.5f;
  }
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return x * phi(x);
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F x) {
    const F density = exp(x * x * -0.5f) * 0.39894228f;  // of the distribution: 1 / sqrt(2 pi)
    return g * (phi(x) + x * density);
  }
};

// Its approximation, from the same paper: x (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).
// (1 + tanh(u)) / 2 is the logistic function of 2u, which needs one exponential and does not
// cancel.
struct GeluTanh {
  static constexpr bool kSavesOutput = false;

  template <class F>
  static NAMP_FORMULA F phi(F x) {
    return 1.0f / (exp(x * (x * x * -0.07135482f - 1.5957691f)) + 1.0f);
  }
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return x * phi(x);
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F x) {
    const F p = phi(x);
    const F slope = x * x * 0.21406444f + 1.5957691f;  // of 2u
    return g * (p + x * p * (1.0f - p) * slope);
  }
};

NAMP_FORMULAS_END

#endif
