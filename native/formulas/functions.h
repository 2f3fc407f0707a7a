// The functions of namp_map. A formula is made of p and q, and gives f(a, b); those of one operand are not
// given b.
#if defined(NAMP_FORMULAS_FUNCTIONS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_FORMULAS_FUNCTIONS_H
#undef NAMP_FORMULAS_FUNCTIONS_H
#else
#define NAMP_FORMULAS_FUNCTIONS_H
#endif

#include "formulas/lane.h"
#include "formulas/math.h"
#include "formulas/power.h"

NAMP_FORMULAS_BEGIN

struct Scale {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a) const {
    return a * p;
  }
};

struct WeightedSum {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a, F b) const {
    return a * p + b * q;
  }
};

struct Product {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a, F b) const {
    return a * b;
  }
};

struct Quotient {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a, F b) const {
    return a * p / b;
  }
};

struct Equality {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a, F b) const {
    return select(a == b, F(1.0f), F(0.0f));
  }
};

struct Exponential {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a) const {
    return exp(a);
  }
};

struct Logarithm {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a) const {
    return log(a);
  }
};

struct SquareRoot {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a) const {
    return sqrt(a);
  }
};

// By the sign's bit: see bits in lane.h.
struct Magnitude {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a) const {
    return from_bits(bits(a) & 0x7fffffffu);
  }
};

struct Clamp {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a) const {
    const F above = select(a < p, F(p), a);
    return select(above > q, F(q), above);
  }
};

struct Power {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a) const {
    return PowerOf(p)(a);
  }
};

struct SquareRootGradient {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a, F b) const {
    return a / (b + b);
  }
};

struct MagnitudeGradient {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a, F b) const {
    const F minus = from_bits(bits(a) ^ 0x80000000u);
    return select(b > 0.0f, a, select(b < 0.0f, minus, F(0.0f)));
  }
};

struct ClampGradient {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a, F b) const {
    return select(b >= p && b <= q, a, F(0.0f));
  }
};

struct PowerGradient {
  float p, q;
  template <class F>
  NAMP_FORMULA F operator()(F a, F b) const {
    if (p == 0.0f) return F(0.0f);
    return a * (PowerOf(p - 1.0f)(b) * p);
  }
};

// The larger one, NaN if either is, and 0 of 0 and -0: the same in any order.
template <class F>
NAMP_FORMULA F maximum(F a, F b) {
  const F larger = select(a < b, b, a);
  const F equal = from_bits(bits(a) & bits(b));
  const F number = select(a == b, equal, larger);
  return select(a == a && b == b, number, from_bits(bits(a) | bits(b) | 0x7fc00000u));
}

NAMP_FORMULAS_END

#endif
