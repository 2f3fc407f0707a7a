// The input of a convolution as a matrix, [taps, positions]: column p holds the inputs of output
// position p. Convolution is then a matrix product (im2col), and col2im gives its gradient.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "cpu/block_gemm.h"
#include "cpu/convolution.h"
#include "cpu/convolution_planes.h"
#include "cpu/element.h"

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

// Copies rows of elements, which lie to_row and from_row elements apart.
inline void copy_rows(void* to, int64_t to_row, const void* from, int64_t from_row, int64_t rows,
                      int64_t count, namp_dtype dtype) {
  const auto bytes = static_cast<size_t>(count * dtype_size(dtype));
  for (int64_t row = 0; row < rows; ++row)
    std::memcpy(element(to, dtype, row * to_row), element(from, dtype, row * from_row), bytes);
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

// Positions of a block of columns: the block stays in the second-level cache, or has a few
// positions if there are many taps.
inline int64_t positions_at_once(const ConvolutionShape& shape) {
  const int64_t fitting = (int64_t{1} << 18) / shape.taps;
  return std::min(shape.positions, std::max<int64_t>(16, fitting));
}

// Elements of columns that are gathered at once from several images.
inline constexpr int64_t kColumnElements = int64_t{1} << 21;

// The columns of a group. Those of a 1 x 1 kernel are the input, and are read in place or copied;
// others are gathered from planes if they fit, else from the input itself.
class Columns {
 public:
  // Of at most most_images at once.
  Columns(const ConvolutionShape& given, int64_t most_images)
      : shape_(given),
        plan_(planes_of_input(given), nullptr, 1),
        pointwise_(is_pointwise(given)),
        by_planes_(!pointwise_ && plan_.fits()) {
    const int64_t filling = depth() / shape_.positions;
    const int64_t fitting = kColumnElements / (shape_.taps * shape_.positions);
    const int64_t most = std::max<int64_t>(1, most_images);
    const bool whole = pointwise_ || most <= std::min(filling, fitting);
    block_ = whole ? shape_.positions : positions_at_once(shape_);
    if (by_planes_)
      block_ = std::clamp<int64_t>(block_ / shape_.out_w, 1, plan_.band) * shape_.out_w;
    plan_.is_whole = block_ == shape_.positions;
    images_ = 1;
    if (block_ == shape_.positions)
      images_ = std::clamp<int64_t>(std::min(filling, fitting), 1, most);
  }

  int64_t block() const { return block_; }    // positions of an image
  int64_t images() const { return images_; }  // more than one if a block is all of an image

  // Whether the columns of a batch are few enough to be multiplied together.
  bool hold(int64_t batch) const {
    return block_ == shape_.positions && images_ >= batch && batch * shape_.positions <= depth();
  }

  int64_t planes_bytes() const { return by_planes_ ? align(plan_.plane_units() * 4) : 0; }
  int64_t bytes() const { return in_place() ? 0 : align(shape_.taps * row() * 4); }

  // Makes a worker's planes ready for its first image.
  void clear(void* planes) const {
    if (by_planes_) clear_planes(plan_, planes);
  }

  // Positions begin to end of an image; in scratch memory, from the column first on, if the columns
  // are not in place.
  MatrixView of(namp_simd simd, const void* input, namp_dtype dtype, int64_t begin, int64_t end,
                void* planes, void* columns, int64_t first = 0) const {
    if (in_place()) return {input, dtype, shape_.pixels, 1};
    void* to = element(columns, dtype, first);
    if (pointwise_) {
      copy_rows(to, row(), element(input, dtype, begin), shape_.pixels, shape_.taps, end - begin,
                dtype);
    } else if (by_planes_) {
      gather_columns(simd, plan_, input, dtype, begin / shape_.out_w, (end - begin) / shape_.out_w,
                     planes, to, row());
    } else if (dtype == NAMP_FLOAT32) {
      gather_columns(shape_, static_cast<const float*>(input), begin, end, static_cast<float*>(to),
                     row());
    } else {
      gather_columns(shape_, static_cast<const uint16_t*>(input), begin, end,
                     static_cast<uint16_t*>(to), row());
    }
    return {columns, dtype, row(), 1};
  }

 private:
  bool in_place() const { return pointwise_ && images_ == 1; }

  // Elements from one row to the next: whole pairs.
  int64_t row() const { return (images_ * block_ + 1) / 2 * 2 + kColumnsSlack; }

  // Positions that are multiplied together: the sums, of group_out channels, then take no longer
  // to read and write than the columns.
  int64_t depth() const { return std::max(kBlockDepth, shape_.group_out); }

  const ConvolutionShape& shape_;
  PlanePlan plan_;
  bool pointwise_;
  bool by_planes_;
  int64_t block_;
  int64_t images_;
};

}  // namespace namp
