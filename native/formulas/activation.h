// Activations and their derivatives. A formula has forward(x) and backward(g, saved), the gradient
// of x, where saved is x or the output, as native/lists/activations.h says.
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
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return x;
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F) {
    return g;
  }
};

// A NaN stays a NaN.
struct Relu {
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
// (2016). Phi(-a) = e^(-a^2/2) Q(a) with a Q that varies slowly, here a polynomial in 1 / (1 + 0.3
// a) fitted to a relative error of 2^-24 for a up to 14, where the exponential vanishes. So Phi
// keeps its digits where it is small, and its density needs no other exponential.
struct Gelu {
  template <class F>
  static NAMP_FORMULA F bell(F x) {
    return exp(x * x * -0.5f);
  }
  template <class F>
  static NAMP_FORMULA F phi(F x, F bell) {
    const F t = 1.0f / (abs(x) * 0.3f + 1.0f);
    const F lower = bell * polynomial(t, 0x1.e11ed6p-18f, 0x1.e96beap-4f, 0x1.f362cep-4f,
                                      0x1.83d298p-4f, 0x1.23ea06p-3f, -0x1.395ffcp-4f,
                                      0x1.d44c44p-3f, -0x1.5a740ap-3f, 0x1.3a6558p-5f);
    return select(x < 0.0f, lower, 1.0f - lower);
  }
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return x * phi(x, bell(x));
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F x) {
    const F b = bell(x);
    return g * (phi(x, b) + x * b * 0.39894228f);  // 1 / sqrt(2 pi)
  }
};

// Its approximation, from the same paper: x (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).
// (1 + tanh(u)) / 2 is the logistic function of 2u, which needs one exponential and does not
// cancel.
struct GeluTanh {
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

// 1 / (1 + e^-x).
struct Sigmoid {
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return 1.0f / (exp(-x) + 1.0f);
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F y) {
    return g * (y * (1.0f - y));
  }
};

// x / (1 + e^-x): Elfwing, Uchibe and Doya, "Sigmoid-Weighted Linear Units" (2017). Below -88.7, where
// e^-x overflows, it is -0, as in PyTorch.
struct Silu {
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return x / (exp(-x) + 1.0f);  // of two NaN, a quotient is the dividend's by every compiler
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F x) {
    const F s = Sigmoid::forward(x);
    return g * (s + x * (s * (1.0f - s)));
  }
};

struct Tanh {
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    return tanh(x);
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F y) {
    return g * (1.0f - y * y);
  }
};

NAMP_FORMULAS_END

#endif
