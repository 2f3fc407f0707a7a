// Positions of a convolution's planes, and where a tap leads.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/convolution_kernels.h"

namespace namp::cuda {

NAMP_DEVICE bool is_inside(const GatherAxis& h, const GatherAxis& w, int y, int x) {
  return static_cast<uint32_t>(y) < static_cast<uint32_t>(h.image) &&
         static_cast<uint32_t>(x) < static_cast<uint32_t>(w.image);
}

// A position of the result, among those of all images.
struct Position {
  int image;
  int h;
  int w;

  Position() = default;
  NAMP_DEVICE Position(const GatherAxis& axis_h, const GatherAxis& axis_w, int index) {
    const int row = index / axis_w.result;
    w = index - row * axis_w.result;
    image = row / axis_h.result;
    h = row - image * axis_h.result;
  }
  // On by what the walk has, without a division.
  NAMP_DEVICE void move(const GatherAxis& axis_h, const GatherAxis& axis_w, const Walk& walk) {
    w += walk.w;
    h += walk.h;
    image += walk.images;
    if (w >= axis_w.result) {
      w -= axis_w.result;
      ++h;
    }
    if (h >= axis_h.result) {
      h -= axis_h.result;
      ++image;
    }
  }
};

}  // namespace namp::cuda
