// Sizes of depthwise convolution (depthwise_planes.h, depthwise_lanes.h).
#pragma once

#include <cstdint>

#include "cpu/block_gemm.h"

namespace namp {

// Rows of positions that are summed at once, so that no addition waits for the one before. In most
// networks the sides of images are multiples of 7.
inline constexpr int64_t kDepthwiseRows = 7;

// Taps whose weights' gradients are summed at once: those of the most usual kernel.
inline constexpr int64_t kDepthwiseTaps = 9;

// Sums of those rows of a phase along a line.
inline constexpr int64_t kDepthwiseUnits = kDepthwiseRows * kBlockColumns;

// Pieces of the batch whose gradients of the weights are summed apart: few enough that the sums take
// little memory, and more than most machines have threads.
inline constexpr int64_t kDepthwisePieces = 64;

}  // namespace namp
