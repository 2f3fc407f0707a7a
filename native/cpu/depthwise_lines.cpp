#include "cpu/depthwise_lines.h"

#include <algorithm>
#include <array>

namespace namp {

DepthwiseLines::DepthwiseLines(const PlanePlan& plan) : plane_row(plan.plane_row) {
  const auto& rows = plan.shape.height.taps;
  if (plan.sums.size() != 1 || rows.size() != kSide || plan.runs.size() != kTaps) return;
  // Backward the first tap reads the last line.
  std::array<size_t, kSide> order{0, 1, 2};
  if (rows[0].shift > rows[2].shift) std::swap(order[0], order[2]);
  const PlaneAxis::Tap& first = rows[order[0]];
  const PlaneAxis::Tap& middle = rows[order[1]];
  const PlaneAxis::Tap& last = rows[order[2]];
  if (first.read != last.read) return;
  is_strided = middle.read != first.read;
  fit = is_strided ? last.shift == first.shift + 1
                   : middle.shift == first.shift + 1 && last.shift == first.shift + 2;
  for (size_t h = 0; h < kSide; ++h) {
    for (size_t w = 0; w < kSide; ++w) {
      const size_t run = order[h] * kSide + w;
      begin[h][w] = plan.runs[run];
      taps[h * kSide + w] = plan.taps[run];
    }
  }
}

}  // namespace namp
