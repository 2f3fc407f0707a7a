// Depthwise convolution by 3 x 3 kernels, forward, backward to the images without stride, and of the
// weights' gradients: a line of a plane (plane_plan.h) is loaded once for all rows of the kernel that
// meet it, and an output's sum stays in a register until it is stored.
#if defined(NAMP_CPU_DEPTHWISE_LINES_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_DEPTHWISE_LINES_INL_H
#undef NAMP_CPU_DEPTHWISE_LINES_INL_H
#else
#define NAMP_CPU_DEPTHWISE_LINES_INL_H
#endif

#include "cpu/depthwise_lines.h"
#include "cpu/loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Three neighbours of a line for each of a lane's outputs.
struct LineLanes {
  Lane at[DepthwiseLines::kSide];
};

// Those that row h of the kernel meets for the first row of the output. What lies after the last position
// may be no number: it is left out where it is multiplied by zeros.
template <class Elements>
HWY_INLINE LineLanes load_line(const DepthwiseLines& lines, int64_t h, const float* plane,
                               Elements part) {
  LineLanes result;
#pragma GCC unroll 3
  for (int64_t w = 0; w < DepthwiseLines::kSide; ++w)
    result.at[w] = keep(load(plane + lines.begin[h][w]), Lane(0.0f), part);
  return result;
}

// sum and what a row of the kernel adds to it.
HWY_INLINE Lane add_line(const Lane* weights, const LineLanes& line, Lane sum) {
#pragma GCC unroll 3
  for (int64_t w = 0; w < DepthwiseLines::kSide; ++w)
    sum = add_product(weights[w], line.at[w], sum);
  return sum;
}

// Calls body(row, sum) for a lane of some rows of outputs, which begins at plane. weights: in the order
// of the lines.
template <class Body>
HWY_INLINE void convolve_lines(const DepthwiseLines& lines, const float* weights,
                               const float* plane, int64_t rows, Body&& body) {
  constexpr int64_t kSide = DepthwiseLines::kSide;
  Lane w[kSide * kSide];
#pragma GCC unroll 9
  for (int64_t i = 0; i < kSide * kSide; ++i)
    w[i] = Lane(weights[i]);
  const Whole whole;
  if (lines.is_strided) {
    // The last row of the kernel meets the line that the first one meets for the next output.
    Lane sum = add_line(w, load_line(lines, 0, plane, whole), Lane(0.0f));
    for (int64_t row = 0; row < rows; ++row, plane += lines.plane_row) {
      sum = add_line(w + kSide, load_line(lines, 1, plane, whole), sum);
      const LineLanes last = load_line(lines, 2, plane, whole);
      body(row, add_line(w + 2 * kSide, last, sum));
      sum = add_line(w, last, Lane(0.0f));
    }
    return;
  }
  // Each row meets the line that the one before it meets for the next output.
  Lane sum = add_line(w, load_line(lines, 0, plane, whole), Lane(0.0f));
  const LineLanes second = load_line(lines, 1, plane, whole);
  sum = add_line(w + kSide, second, sum);
  Lane next = add_line(w, second, Lane(0.0f));
  for (int64_t row = 0; row < rows; ++row, plane += lines.plane_row) {
    const LineLanes last = load_line(lines, 2, plane, whole);
    body(row, add_line(w + 2 * kSide, last, sum));
    sum = add_line(w + kSide, last, next);
    next = add_line(w, last, Lane(0.0f));
  }
}

// products: of the taps, in the order of the lines.
HWY_INLINE void add_factor(Lane* products, const LineLanes& line, Lane factor) {
#pragma GCC unroll 3
  for (int64_t w = 0; w < DepthwiseLines::kSide; ++w)
    products[w] = add_product(line.at[w], factor, products[w]);
}

// Adds a lane's products of some rows: of the inputs, which begin at plane, with the gradients of their
// outputs, in rows of columns.
template <class T, class Elements>
HWY_INLINE void multiply_lines(const DepthwiseLines& lines, const float* plane, const T* gradient,
                               int64_t columns, int64_t rows, Elements part, Lane* products) {
  constexpr int64_t kSide = DepthwiseLines::kSide;
  Lane* const second = products + kSide;
  Lane* const third = products + 2 * kSide;
  LineLanes line = load_line(lines, 0, plane, part);
  if (lines.is_strided) {
    for (int64_t row = 0; row < rows; ++row, plane += lines.plane_row, gradient += columns) {
      const Lane factor = load(gradient, part);
      add_factor(products, line, factor);
      add_factor(second, load_line(lines, 1, plane, part), factor);
      line = load_line(lines, 2, plane, part);
      add_factor(third, line, factor);
    }
    return;
  }
  // A line meets the factors of three rows of outputs; the first and the last ones meet fewer.
  Lane factor = load(gradient, part);
  add_factor(products, line, factor);
  line = load_line(lines, 1, plane, part);
  Lane before = factor;
  if (rows > 1) {
    factor = load(gradient + columns, part);
    add_factor(products, line, factor);
    add_factor(second, line, before);
    line = load_line(lines, 2, plane, part);
  }
  for (int64_t row = 2; row < rows; ++row) {
    plane += lines.plane_row;
    add_factor(third, line, before);
    before = factor;
    factor = load(gradient + row * columns, part);
    add_factor(second, line, before);
    add_factor(products, line, factor);
    line = load_line(lines, 2, plane, part);
  }
  if (rows > 1) {
    plane += lines.plane_row;
    add_factor(third, line, before);
  }
  add_factor(second, line, factor);
  add_factor(third, load_line(lines, 2, plane, part), factor);
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
