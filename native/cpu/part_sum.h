// The sum of parts, such as chunks: its bits depend only on their order, not on the threads that
// computed them, and are a GPU's as well (cuda/sum_lanes.cuh).
#pragma once

#include <cstdint>

#include "table_view.h"

namespace namp {

// Part i is added to lane i % kPartLanes; the upper half of the lanes is then added to the lower
// until one is left.
class PartSum {
 public:
  void add(double part) { lanes_[count_++ % kPartLanes] += part; }

  double total() const {
    double sums[kPartLanes / 2];
    for (int64_t j = 0; j < kPartLanes / 2; ++j)
      sums[j] = lanes_[j] + lanes_[j + kPartLanes / 2];
    for (int64_t width = kPartLanes / 4; width > 0; width /= 2) {
      for (int64_t j = 0; j < width; ++j)
        sums[j] += sums[j + width];
    }
    return sums[0];
  }

 private:
  double lanes_[kPartLanes] = {};
  int64_t count_ = 0;
};

}  // namespace namp
