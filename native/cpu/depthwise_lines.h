// Depthwise convolution by lines: which lines of a plane (plane_plan.h) the rows of a 3 x 3 kernel meet.
#pragma once

#include <cstdint>

#include "cpu/plane_plan.h"

namespace namp {

struct DepthwiseLines {
  static constexpr int64_t kSide = 3;
  static constexpr int64_t kTaps = kSide * kSide;

  explicit DepthwiseLines(const PlanePlan& plan);

  // Whether there are such lines: the kernel is 3 x 3, the output has one phase, and rows of the kernel
  // meet the same lines for different rows of the output. Else the rest is not set.
  bool fit = false;

  // Without stride line i is met by row 0 of the kernel for row i of the output, by row 1 for row i - 1, and by
  // row 2 for row i - 2. With one row 2 meets a line that row 0 meets for the next row, and row 1 others.
  bool is_strided = false;

  int64_t plane_row = 0;
  // What the taps meet for the first output: by row, by column.
  int64_t begin[kSide][kSide] = {};
  int64_t taps[kTaps] = {};  // which of the kernel's they are
};

}  // namespace namp
