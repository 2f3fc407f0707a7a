// The codes of a group's input of one image, laid out for sums of windows: a word has the codes of
// four channels of a pixel, unsigned (code + 128). So a run of output positions reads, for each
// tap of the kernel, a run of words, and nothing is gathered.
#pragma once

#include "cpu/convolution.h"
#include "cpu/int8_sums.h"

namespace namp {

struct Int8Planes {
  explicit Int8Planes(const namp_int8_conv2d_args& args)
      : shape(args),
        quads((shape.group_in + 3) / 4),
        rows(args.in_h + 2 * args.pad_h),
        phase((args.in_w + 2 * args.pad_w + args.stride_w - 1) / args.stride_w),
        pitch(phase * args.stride_w),
        taps(quads * args.kernel_h * args.kernel_w) {}

  // Words, with those that the last run reads after the end.
  int64_t words() const { return quads * rows * pitch + kInt8Run; }

  // Of a pixel of the padded image. The columns of a row lie together that have the same remainder
  // by the stride: neighbours of the output read neighbours.
  int64_t word(int64_t quad, int64_t row, int64_t column) const {
    const int64_t stride = shape.width.stride;
    return (quad * rows + row) * pitch + column % stride * phase + column / stride;
  }

  // From the word of an output position to that of a tap, which counts quads, rows, columns.
  int64_t offset(int64_t tap) const {
    const int64_t column = tap % shape.width.kernel;
    const int64_t row = tap / shape.width.kernel % shape.height.kernel;
    return word(tap / shape.width.kernel / shape.height.kernel, row * shape.height.dilation,
                column * shape.width.dilation);
  }

  ConvolutionShape shape;
  int64_t quads;  // words of a pixel
  int64_t rows;   // of the padded image
  int64_t phase;  // words of a remainder's columns
  int64_t pitch;  // words of a row
  int64_t taps;   // words of a window
};

}  // namespace namp
