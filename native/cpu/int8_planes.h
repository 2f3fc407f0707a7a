// The codes of a group's input of one image, laid out for sums of windows: a word has the codes of
// four channels of a pixel, or of four taps of a row where a group has one channel, unsigned
// (code + 128) or signed, as the kernel wants them. So a run of output positions reads, for each tap of the kernel (or four of a row), a
// run of words, and nothing is gathered.
#pragma once

#include <algorithm>

#include "cpu/convolution.h"
#include "cpu/int8_windows.h"

namespace namp {

struct Int8Planes {
  // added: to each code, 128 or 0.
  Int8Planes(const namp_int8_conv2d_args& args, uint32_t added)
      : signs(added * 0x01010101u),
        shape(args),
        taps(shape.group_in, args.kernel_h, args.kernel_w),
        rows(args.in_h + 2 * args.pad_h),
        columns(args.in_w + 2 * args.pad_w),
        row_step(std::min(args.stride_h, rows)),
        column_step(std::min(args.stride_w, columns)),
        part_rows(divide_up(rows, row_step)),
        part_columns(divide_up(columns, column_step)) {
    const int64_t own_runs = divide_up(shape.out_w, kInt8Run);
    by_pitch = divide_up((shape.out_h - 1) * part_columns + shape.out_w, kInt8Run) <
               shape.out_h * own_runs;
    run_row = by_pitch ? part_columns : own_runs * kInt8Run;
    positions = (shape.out_h - 1) * run_row + shape.out_w;
    runs = divide_up(positions, kInt8Run);
  }

  // Words, with those that the last run reads after the end.
  int64_t plane_words() const { return taps.quads * quad_words() + kInt8Run; }
  // With the padded image as codes, and those that are loaded after its end.
  int64_t words() const {
    return plane_words() +
           (taps.by_columns ? quad_words() / 4 + shape.width.dilation + 2 * kInt8Run : 0);
  }
  int64_t part_words() const { return part_rows * part_columns; }
  int64_t quad_words() const { return row_step * column_step * part_words(); }

  // Of a pixel of the padded image. Pixels lie together whose rows, and whose columns, have the same
  // remainder by the stride: neighbours of the output read neighbours.
  int64_t word(int64_t quad, int64_t row, int64_t column) const {
    const int64_t part = (quad * row_step + row % row_step) * column_step + column % column_step;
    return part * part_words() + row / row_step * part_columns + column / column_step;
  }

  // Writes, for each word of a window, how far it is from the word of the output's position.
  void offsets(int64_t* out) const {
    const int64_t columns_apart = (taps.by_columns ? 4 : 1) * shape.width.dilation;
    const int64_t of_quad = taps.height * taps.across;
    for (int64_t tap = 0; tap < taps.count; ++tap) {
      out[tap] = tap < of_quad ? word(0, tap / taps.across * shape.height.dilation,
                                      tap % taps.across * columns_apart)
                               : out[tap - of_quad] + quad_words();
    }
  }

  // The word of a run's first position.
  int64_t start(int64_t run) const {
    const int64_t position = run * kInt8Run;
    return by_pitch ? position : position / run_row * part_columns + position % run_row;
  }

  uint32_t signs;  // the bits that the codes of a word are changed by: adding 128 changes the signs
  ConvolutionShape shape;
  Int8Taps taps;
  int64_t rows;          // of the padded image
  int64_t columns;       // of the padded image
  int64_t row_step;      // the stride, if it matters
  int64_t column_step;   // likewise
  int64_t part_rows;     // rows of the same remainder
  int64_t part_columns;  // columns of the same remainder
  // Runs go on from row to row, over positions that no output has, where that takes fewer. Else each
  // row has runs of its own.
  bool by_pitch;
  int64_t run_row;    // positions of an output row in runs
  int64_t positions;  // of all runs, to the last output
  int64_t runs;
};

// Sets all words to the padding's, whose codes are the zero point.
void pad_int8_planes(const Int8Planes& planes, int32_t zero_point, uint32_t* words);

// Writes a group's input, [group_in, height, width], into words that pad_int8_planes has set. Words
// around the image stay as they are.
void fill_int8_planes(namp_simd simd, const Int8Planes& planes, const int8_t* input,
                      uint32_t* words);

}  // namespace namp
