// Depthwise convolution by planes (plane_plan.h) of a few channels at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/block_gemm.h"
#include "cpu/depthwise_lines.h"
#include "cpu/plane_plan.h"
#include "nativeamp.h"

namespace namp {

struct DepthwisePlanes {
  explicit DepthwisePlanes(const PlaneShape& shape);

  // The tap of the kernel whose weight is the i-th of plan.runs.size() that the convolution reads.
  int64_t tap(int64_t i) const {
    return lines.fit ? lines.taps[i] : plan.taps[static_cast<size_t>(i)];
  }

  PlanePlan plan;
  DepthwiseLines lines;
  int64_t channels_at_once;  // whose planes are made before the first is read
};

// Of one worker.
struct DepthwiseScratch {
  float* planes;  // of some channels
  float* sums;    // of each phase along a line
  float* line;
};

// Some channels of one image, forward or backward to the image as the plan is. weights: the taps of each
// channel, as the plan orders them. output: of the first channel.
void convolve_channels(namp_simd simd, const DepthwisePlanes& planes, int64_t channels,
                       const float* weights, const void* input, const ProductOutput& output,
                       const DepthwiseScratch& scratch);

// Adds the gradients of the weights of some channels from one image to sums [channels, kernel_h,
// kernel_w]. memory: of the planes, cleared.
void sum_channel_weights(namp_simd simd, const DepthwisePlanes& planes, int64_t channels,
                         const void* input, const void* gradient, namp_dtype dtype, float* sums,
                         float* memory);

}  // namespace namp
