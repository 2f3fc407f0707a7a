// The input of a convolution as a matrix, [taps, positions]: column p holds the inputs of output
// position p. Convolution is then a matrix product (im2col), and col2im gives its gradient.
#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/convolution.h"

namespace namp {

// Calls body(position, pixel, count) for runs of a tap's row of columns, for positions begin to
// end: count columns from position on read pixels pixel, pixel + stride_w, … of the group's input;
// a pixel of -1 is padding.
template <class Body>
void for_column_runs(const ConvolutionShape& shape, int64_t tap, int64_t begin, int64_t end,
                     Body&& body) {
  const Window& height = shape.height;
  const Window& width = shape.width;
  const int64_t tap_w = tap % width.kernel;
  const int64_t tap_h = tap / width.kernel % height.kernel;
  const int64_t channel = tap / width.kernel / height.kernel;
  const int64_t shift = tap_w * width.dilation - width.pad;  // input column of output column 0
  // Output columns first to last - 1 read the input.
  const int64_t first = shift >= 0 ? 0 : (-shift + width.stride - 1) / width.stride;
  const int64_t last = shift >= width.in ? 0 : (width.in - 1 - shift) / width.stride + 1;
  for (int64_t position = begin; position < end;) {
    const int64_t row = position / shape.out_w;
    const int64_t column = position % shape.out_w;
    const int64_t stop = std::min(shape.out_w, column + end - position);
    const int64_t in_row = row * height.stride + tap_h * height.dilation - height.pad;
    const bool inside = in_row >= 0 && in_row < height.in;
    const int64_t from = inside ? std::clamp(first, column, stop) : stop;
    const int64_t to = inside ? std::clamp(last, from, stop) : stop;
    const int64_t start = position - column;
    if (from > column) body(position, int64_t{-1}, from - column);
    if (to > from) {
      const int64_t pixel = channel * shape.pixels + in_row * width.in + shift;
      body(start + from, pixel + from * width.stride, to - from);
    }
    if (stop > to) body(start + to, int64_t{-1}, stop - to);
    position = start + stop;
  }
}

// columns[taps, end - begin] from the group's input, in rows that lie columns_row apart. T is any
// type of the element's size.
template <class T>
void gather_columns(const ConvolutionShape& shape, const T* input, int64_t begin, int64_t end,
                    T* columns, int64_t columns_row) {
  const int64_t stride = shape.width.stride;
  for (int64_t tap = 0; tap < shape.taps; ++tap) {
    T* out = columns + tap * columns_row;
    for_column_runs(shape, tap, begin, end, [&](int64_t position, int64_t pixel, int64_t count) {
      T* run = out + (position - begin);
      if (pixel < 0) {
        std::fill_n(run, count, T{});
      } else {
        for (int64_t i = 0; i < count; ++i)
          run[i] = input[pixel + i * stride];
      }
    });
  }
}

// Adds columns[taps, end - begin] to the group's input gradient.
inline void scatter_columns(const ConvolutionShape& shape, const float* columns, int64_t begin,
                            int64_t end, float* input_gradient) {
  const int64_t stride = shape.width.stride;
  for (int64_t tap = 0; tap < shape.taps; ++tap) {
    const float* in = columns + tap * (end - begin);
    for_column_runs(shape, tap, begin, end, [&](int64_t position, int64_t pixel, int64_t count) {
      if (pixel < 0) return;
      const float* run = in + (position - begin);
      for (int64_t i = 0; i < count; ++i)
        input_gradient[pixel + i * stride] += run[i];
    });
  }
}

}  // namespace namp
