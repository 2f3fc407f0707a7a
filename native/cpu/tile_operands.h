// The operands of a tile of a product, and of panels of tiles.
#pragma once

#include <cstdint>

namespace namp {

// Both sides are made of units of 32 bits along the sum: a float, or two bfloat16 that follow each
// other there. Element (r, k) of A is unit a + r * a_row + k * a_depth. Row k of B is as wide as a
// panel and begins at b + k * b_depth. A sum has one run, or several of this depth: a convolution adds
// shifted parts of one image. They follow each other, unless it is said where they begin.
struct TileOperands {
  const void* a;
  int64_t a_row;
  int64_t a_depth;
  const void* b;
  int64_t b_depth;
  int64_t depth;
  int64_t runs = 1;
  const int64_t* b_runs = nullptr;
  const int64_t* a_runs = nullptr;

  int64_t b_run(int64_t run) const {
    return b_runs == nullptr ? run * depth * b_depth : b_runs[run];
  }
  int64_t a_run(int64_t run) const {
    return a_runs == nullptr ? run * depth * a_depth : a_runs[run];
  }
};

}  // namespace namp
