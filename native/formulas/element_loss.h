// Element-wise losses of a prediction x and a target t; w is the weight of a positive target. A formula is
// made of the call's arguments, and has
//   add(sum, x, t, w)           the sum and the element's loss
//   slope(x, t, w)              the derivative by the prediction
//   target_slope(x, t, w)       the derivative by the target
//   kWeighted                   whether it uses w
//   kSquares                    whether an element's loss is the square of x - t
#if defined(NAMP_FORMULAS_ELEMENT_LOSS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_ELEMENT_LOSS_H
#undef NAMP_FORMULAS_ELEMENT_LOSS_H
#else
#define NAMP_FORMULAS_ELEMENT_LOSS_H
#endif

#include "formulas/lane.h"
#include "formulas/math.h"
#include "nativeamp.h"

NAMP_FORMULAS_BEGIN

struct SquaredError {
  static constexpr bool kWeighted = false;
  static constexpr bool kSquares = true;
  NAMP_FORMULA explicit SquaredError(const namp_element_loss_args&) {}

  template <class F>
  NAMP_FORMULA F add(F sum, F x, F t, F) const {
    const F d = x - t;
    return multiply_add(d, d, sum);
  }
  template <class F>
  NAMP_FORMULA F slope(F x, F t, F) const {
    return (x - t) * 2.0f;
  }
  template <class F>
  NAMP_FORMULA F target_slope(F x, F t, F w) const {
    return slope(t, x, w);
  }
};

// |d| where beta is 0.
struct SmoothL1 {
  static constexpr bool kWeighted = false;
  static constexpr bool kSquares = false;
  NAMP_FORMULA explicit SmoothL1(const namp_element_loss_args& args) : beta(args.beta) {}

  template <class F>
  NAMP_FORMULA F add(F sum, F x, F t, F) const {
    const F d = x - t;
    const F a = abs(d);
    return sum + select(a < beta, a * (a / beta) * 0.5f, a - beta * 0.5f);
  }
  template <class F>
  NAMP_FORMULA F slope(F x, F t, F) const {
    const F d = x - t;
    const F sign =
        select(d > 0.0f, F(1.0f), select(d < 0.0f, F(-1.0f), d));  // 0, and NaN, as it is
    return select(abs(d) < beta, d / beta, sign);
  }
  template <class F>
  NAMP_FORMULA F target_slope(F x, F t, F w) const {
    return slope(t, x, w);
  }

  float beta;
};

// By the softplus of x and of -x, both max(±x, 0) + log(1 + e^-|x|): no term is the difference of others.
struct BinaryCrossEntropy {
  static constexpr bool kWeighted = true;
  static constexpr bool kSquares = false;
  NAMP_FORMULA explicit BinaryCrossEntropy(const namp_element_loss_args&) {}

  template <class F>
  NAMP_FORMULA F add(F sum, F x, F t, F w) const {
    const F rest = log1p(exp(-abs(x)));
    return sum + (w * t * (positive_part(-x) + rest) + (1.0f - t) * (positive_part(x) + rest));
  }
  template <class F>
  NAMP_FORMULA F slope(F x, F t, F w) const {
    const F e = exp(-abs(x));
    const F larger = 1.0f / (e + 1.0f);  // of the sigmoids of x and of -x
    const F smaller = e * larger;
    const auto positive = x >= 0.0f;
    return (1.0f - t) * select(positive, larger, smaller) -
           w * t * select(positive, smaller, larger);
  }
  template <class F>
  NAMP_FORMULA F target_slope(F x, F, F w) const {
    const F rest = log1p(exp(-abs(x)));
    return w * (positive_part(-x) + rest) - (positive_part(x) + rest);
  }
};

NAMP_FORMULAS_END

#endif
