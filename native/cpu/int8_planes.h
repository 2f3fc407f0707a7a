// The codes of a group's input of one image, laid out for sums of windows: a word has the codes of
// four channels of a pixel, or of four columns where a group has one channel, unsigned (code + 128).
// So a run of output positions reads, for each tap of the kernel (or four of a row), a run of words,
// and nothing is gathered.
#pragma once

#include "cpu/convolution.h"
#include "cpu/int8_windows.h"

namespace namp {

struct Int8Planes {
  explicit Int8Planes(const namp_int8_conv2d_args& args)
      : shape(args),
        by_columns(shape.group_in == 1 && args.dilation_w == 1),
        quads((shape.group_in + 3) / 4),
        rows(args.in_h + 2 * args.pad_h),
        columns(args.in_w + 2 * args.pad_w),
        phase((columns + args.stride_w - 1) / args.stride_w),
        pitch(phase * args.stride_w),
        across(by_columns ? (args.kernel_w + 3) / 4 : args.kernel_w),
        taps(quads * args.kernel_h * across) {}

  // Words, with those that the last run reads after the end.
  int64_t plane_words() const { return quads * rows * pitch + kInt8Run; }
  // With those of the image's rows as codes, and of the codes that are loaded after their end.
  int64_t words() const {
    return plane_words() + (by_columns ? shape.height.in * columns / 4 + 1 + kInt8Run : 0);
  }

  // Of a pixel of the padded image. The columns of a row lie together that have the same remainder
  // by the stride: neighbours of the output read neighbours.
  int64_t word(int64_t quad, int64_t row, int64_t column) const {
    const int64_t stride = shape.width.stride;
    return (quad * rows + row) * pitch + column % stride * phase + column / stride;
  }

  // From the word of an output position to that of a tap, which counts quads, rows, columns.
  int64_t offset(int64_t tap) const {
    const int64_t column = tap % across * (by_columns ? 4 : shape.width.dilation);
    const int64_t row = tap / across % shape.height.kernel * shape.height.dilation;
    return word(tap / across / shape.height.kernel, row, column);
  }

  ConvolutionShape shape;
  bool by_columns;  // a word has four columns of one channel
  int64_t quads;    // words of a pixel
  int64_t rows;     // of the padded image
  int64_t columns;  // of the padded image
  int64_t phase;    // words of a remainder's columns
  int64_t pitch;    // words of a row
  int64_t across;   // words of a kernel's row
  int64_t taps;     // words of a window
};

}  // namespace namp
