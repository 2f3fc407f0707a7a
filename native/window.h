// A window of a convolution or pooling that slides along one dimension.
#pragma once

#include <cstdint>

namespace namp {

struct Window {
  int64_t in;
  int64_t kernel;
  int64_t stride;
  int64_t pad;
  int64_t dilation;
};

// Elements of the output: (in + 2 pad - dilation (kernel - 1) - 1) / stride + 1.
constexpr int64_t window_out(const Window& window) {
  return (window.in + 2 * window.pad - window.dilation * (window.kernel - 1) - 1) / window.stride +
         1;
}

}  // namespace namp
