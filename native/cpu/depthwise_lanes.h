// Depthwise convolution of small images: a lane is a channel. Rows of a few positions fill no lane,
// so kLaneChannels channels are transposed, summed position by position, and transposed back.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/block_gemm.h"
#include "cpu/convolution.h"
#include "cpu/matrix_library.h"
#include "nativeamp.h"

namespace namp {

inline constexpr int64_t kLaneChannels = 16;

struct DepthwiseLanes {
  // The taps of a kernel's axis that read the input for an output: first to last - 1.
  struct Range {
    int64_t first;
    int64_t last;
    int64_t in;  // the input of tap 0
  };

  explicit DepthwiseLanes(const ConvolutionShape& given);

  // Whether it is worth it: rows of planes would fill less than a lane, or where a gradient is scattered
  // less than half of one, and channels fill it.
  static bool fit(const ConvolutionShape& shape, int64_t channels, ConvolutionPass pass) {
    constexpr int64_t kMostPositions = 64;
    if (channels < kLaneChannels) return false;
    const bool backward = pass == ConvolutionPass::kBackwardData;
    if (backward && !has_mirror(shape))
      return shape.positions <= kMostPositions && shape.pixels <= kBlockColumns;
    const ConvolutionShape read = backward ? mirror(shape) : shape;
    return read.positions <= kBlockColumns && padded(read) <= kBlockColumns;
  }

  // Without a stride the gradient of the images is itself a convolution of that of the outputs, by the
  // taps in reverse order.
  static bool has_mirror(const ConvolutionShape& shape);
  static ConvolutionShape mirror(const ConvolutionShape& shape);

  // Pixels of an image and the padding around it.
  static int64_t padded(const ConvolutionShape& shape) {
    return (shape.height.in + 2 * shape.height.pad) * (shape.width.in + 2 * shape.width.pad);
  }
  // Floats of a row of those.
  int64_t padded_row() const { return (shape.width.in + 2 * shape.width.pad) * kLaneChannels; }

  // Floats of one worker: inputs and outputs with a channel a lane, and a row for each channel.
  static constexpr int64_t kScratchFloats = 3 * kLaneChannels * kBlockColumns;

  ConvolutionShape shape;
  std::vector<Range> rows;     // of each row of the output
  std::vector<Range> columns;  // of each column
};

// Of at most kLaneChannels channels of an image, which follow each other, as their outputs do.
// weights: [taps, kLaneChannels]. output: of the first channel. scratch: kScratchFloats, finite.
void convolve_lanes(namp_simd simd, const DepthwiseLanes& plan, int64_t channels,
                    const float* weights, const void* input, const ProductOutput& output,
                    float* scratch);

// The gradient of the input, which is output, scattered.
void convolve_lanes_backward(namp_simd simd, const DepthwiseLanes& plan, int64_t channels,
                             const float* weights, const void* gradient,
                             const ProductOutput& output, float* scratch);

// Adds the gradients of the weights to sums [taps, kLaneChannels].
void sum_lane_weights(namp_simd simd, const DepthwiseLanes& plan, int64_t channels,
                      const void* input, const void* gradient, namp_dtype dtype, float* sums,
                      float* scratch);

}  // namespace namp
