// A lane is what a formula computes with: float here; a SIMD vector in cpu/simd_lane-inl.h; on a
// GPU float again, one a thread. A formula is a template over the lane F and uses
//   + - * / and unary - of F, with float constants on either side;  < <= > >= == of F, which give a
//   mask;  && || ! of masks the functions below;  + - & | ^ == of the bits of F (U =
//   decltype(bits(x)), uint32_t here), with uint32_t constants.
// A product and a sum are fused where multiply_add says so and nowhere else, and nothing is
// reassociated: every kind of lane gives the same bits.
//
// Formula headers stand between NAMP_FORMULAS_BEGIN and NAMP_FORMULAS_END instead of naming their
// namespace, and have Highway's toggled include guard: a SIMD source (cpu/simd_source.h) includes
// them once a target, because a function that is compiled for no target cannot inline what is
// compiled for one.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__clang__) && defined(__CUDA__)
#define NAMP_FORMULA __host__ __device__ inline __attribute__((always_inline))
#elif defined(__CUDACC__)
#define NAMP_FORMULA __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define NAMP_FORMULA inline __attribute__((always_inline))
#else
#define NAMP_FORMULA __forceinline
#endif

#ifndef NAMP_FORMULAS_BEGIN
#define NAMP_FORMULAS_BEGIN namespace namp {
#define NAMP_FORMULAS_END }
#endif

namespace namp {

NAMP_FORMULA uint32_t bits(float x) {
  uint32_t u;
#if defined(__CUDA_ARCH__)
  // A move that the compiler does not see through. Else LLVM makes abs.f32 and neg.f32 of masks on
  // these bits, of which PTX says that they give an unspecified NaN: a payload would be lost.
  asm("mov.b32 %0, %1;" : "=r"(u) : "f"(x));
#else
  memcpy(&u, &x, sizeof(u));
#endif
  return u;
}

NAMP_FORMULA float from_bits(uint32_t u) {
  float x;
  memcpy(&x, &u, sizeof(x));
  return x;
}

// The signed integer in u as a float, rounded to nearest even.
NAMP_FORMULA float to_float(uint32_t u) { return static_cast<float>(static_cast<int32_t>(u)); }

// Correctly rounded.
NAMP_FORMULA float sqrt(float x) { return ::sqrtf(x); }

// a * b + c, rounded once.
#if defined(__MINGW32__)
// MinGW-w64's fmaf rounds every part. Here the product is exact in double, and the sum is rounded
// to odd by what it lost (Knuth's TwoSum), so that rounding it to float is rounding once (Boldo and
// Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd").
NAMP_FORMULA float multiply_add(float a, float b, float c) {
  const double product = static_cast<double>(a) * b;
  double sum = product + c;
  const double added = sum - product;
  const double lost = (product - (sum - added)) + (c - added);
  int64_t code;
  memcpy(&code, &sum, sizeof(code));
  if ((lost > 0 || lost < 0) && (code & 1) == 0) code += (lost > 0) == (sum > 0) ? 1 : -1;
  memcpy(&sum, &code, sizeof(sum));
  return static_cast<float>(sum);
}
#else
NAMP_FORMULA float multiply_add(float a, float b, float c) { return ::fmaf(a, b, c); }
#endif

// Not for the bits of a NaN: see bits.
NAMP_FORMULA float abs(float x) { return ::fabsf(x); }

NAMP_FORMULA float select(bool mask, float yes, float no) { return mask ? yes : no; }
NAMP_FORMULA uint32_t select(bool mask, uint32_t yes, uint32_t no) { return mask ? yes : no; }

template <int kBits>
NAMP_FORMULA uint32_t shift_left(uint32_t u) {
  return u << kBits;
}

template <int kBits>
NAMP_FORMULA uint32_t shift_right(uint32_t u) {
  return u >> kBits;
}

// Compares as signed integers.
NAMP_FORMULA bool less(uint32_t a, uint32_t b) {
  return static_cast<int32_t>(a) < static_cast<int32_t>(b);
}

// The larger as signed integers: shorter than less and select where one waits for the other.
NAMP_FORMULA uint32_t larger(uint32_t a, uint32_t b) { return less(a, b) ? b : a; }
NAMP_FORMULA uint32_t smaller(uint32_t a, uint32_t b) { return less(b, a) ? b : a; }

// The larger as unsigned integers.
NAMP_FORMULA uint32_t larger_unsigned(uint32_t a, uint32_t b) { return a < b ? b : a; }

// The larger, the smaller; neither is NaN, and they are not zeros of two signs.
NAMP_FORMULA float larger(float a, float b) {
#if defined(__CUDA_ARCH__)
  return ::fmaxf(a, b);
#else
  return a < b ? b : a;
#endif
}
NAMP_FORMULA float smaller(float a, float b) {
#if defined(__CUDA_ARCH__)
  return ::fminf(a, b);
#else
  return b < a ? b : a;
#endif
}

// x, and 0 where that is negative or NaN.
NAMP_FORMULA float positive_part(float x) {
#if defined(__CUDA_ARCH__)
  return ::fmaxf(x, 0.0f);
#else
  return x > 0.0f ? x : 0.0f;
#endif
}

// Whether any element of the lane has it.
NAMP_FORMULA bool any(bool mask) { return mask; }

}  // namespace namp
