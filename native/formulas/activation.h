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
// (2016). By the distribution's symmetry both directions need one function of a = |x|, which falls like
// e^(-a^2/2), and both are 2^(a P(a) - 1) with a polynomial P of their own, fitted to a relative error of
// 2^-24 (1 + a^2/2): no division, one exponential, and small results keep their digits. P is in a - 3,
// whose powers cancel little for any a. Beyond 12.9 the function, less than 4e-36, counts as 0.
struct Gelu {
  static constexpr float kEnd = 12.9f;

  // -Phi(-a).
  template <class F>
  static NAMP_FORMULA F minus_lower(F a) {
    const F p = fused_polynomial(
        a - 3.0f, -0x1.6c1264p+1f, -0x1.42ef6p-1f, -0x1.b1d248p-7f, 0x1.ef7842p-10f,
        -0x1.06dc76p-12f, 0x1.ed2758p-16f, -0x1.696a86p-19f, 0x1.fd7da2p-25f, 0x1.b26424p-25f,
        -0x1.cbf54cp-27f, 0x1.f5b606p-30f, -0x1.3fddc8p-33f, 0x1.c0b47cp-38f, -0x1.0ba382p-43f);
    return exp2_of_product<-1, true>(a, p);
  }
  // The derivative at -a: Phi(-a) - a phi(a), whose root is at 0.7518.
  template <class F>
  static NAMP_FORMULA F lower_slope(F a) {
    const F p = fused_polynomial(
        a - 3.0f, -0x1.294a52p+1f, -0x1.6090ecp-1f, -0x1.a926fep-8f, 0x1.425a84p-10f,
        -0x1.d172cap-13f, 0x1.41239ap-15f, -0x1.a99aaep-18f, 0x1.fe693p-21f, -0x1.d9614p-24f,
        0x1.06ceb4p-27f, -0x1.512ba8p-34f, -0x1.2aa6c6p-35f, 0x1.6b2f96p-39f, -0x1.1753fap-44f);
    return exp2_of_product<-1, true>(a, p) * multiply_add(a, F(0x1.54851ap+0f), F(-1.0f));
  }
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    const F a = abs(x);
    const F upper = positive_part(x);
    return select(a > kEnd, upper, multiply_add(minus_lower(a), a, upper));
  }
  template <class F>
  static NAMP_FORMULA F backward(F g, F x) {
    const F a = abs(x);
    const F slope = select(a > kEnd, F(0.0f), lower_slope(a));
    return g * select(x < 0.0f, slope, 1.0f - slope);
  }
};

// Its approximation, from the same paper: x (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3).
// (1 + tanh(u)) / 2 is the logistic function of 2u: for a = |x| it is 1 / (1 + t) above 0 and t / (1 + t)
// below, with t = e^-2u, which does not cancel. Beyond 9.75 t, less than 4e-36, counts as 0.
struct GeluTanh {
  static constexpr float kEnd = 9.75f;

  template <class F>
  static NAMP_FORMULA F falling(F a) {
    return exp2_of_product<0>(a * multiply_add(a * a, F(0.07135482f), F(1.5957691f)), F(-kLog2E));
  }
  // 1 / (1 + t) for t from 0 to 1 without a division: the parabola whose product with 1 + t is nearest
  // to 1, within 1/99, and twice a step of Newton's, which squares the error.
  template <class F>
  static NAMP_FORMULA F reciprocal(F t) {
    F r = fused_polynomial(t, 98.0f / 99.0f, -80.0f / 99.0f, 32.0f / 99.0f);
    r = multiply_add(multiply_add(-t, r, 1.0f - r), r, r);
    return multiply_add(multiply_add(-t, r, 1.0f - r), r, r);
  }
  template <class F>
  static NAMP_FORMULA F forward(F x) {
    const F a = abs(x);
    const F t = falling(a);
    const F r = reciprocal(t);
    const F upper = positive_part(x);
    return select(a > kEnd, upper, multiply_add(-a * t, r, upper));
  }
  // The derivative is p + x p (1 - p) (2u)', p being the logistic function.
  template <class F>
  static NAMP_FORMULA F backward(F g, F x) {
    const F a = abs(x);
    const F t = falling(a);
    const F r = reciprocal(t);
    const F rest = a * multiply_add(a * a, F(0.21406444f), F(1.5957691f)) * r;
    const auto below = x < 0.0f;
    const F falls = r * t * (1.0f - rest);
    const F slope = select(a > kEnd, F(0.0f), falls);
    return g * select(below, slope, 1.0f - slope);
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
