// Convolution as products over planes (plane_plan.h).
#pragma once

#include <cstdint>

#include "cpu/block_gemm.h"
#include "cpu/plane_plan.h"
#include "nativeamp.h"

namespace namp {

// Makes planes, or all of a worker's scratch memory, ready for the first image.
void clear_planes(const PlanePlan& plan, void* planes);
void clear_scratch(const PlanePlan& plan, void* scratch);

// Images that follow each other a number of elements apart.
struct ImageBatch {
  int64_t images;
  int64_t input;
  int64_t output;
};

// A group's weights. Where the plan packs they are as in memory: that of channel r of the output, channel c
// of the input and tap t is element r * row + c * channel + t. Else they are laid out in rows of the plan's
// units, runs in its order, of dtype float32.
struct PlaneWeights {
  const void* data;
  namp_dtype dtype;
  int64_t row;
  int64_t channel;
};

// The outputs of at most plan.images images.
void convolve_planes(namp_simd simd, const PlanePlan& plan, const PlaneWeights& weights,
                     const void* input, namp_dtype dtype, const ProductOutput& output,
                     const ImageBatch& batch, void* scratch);

// The inputs of the positions of some rows of the output as a matrix: a row of columns for each
// channel and tap, as the weights lie, of the input's own elements. The rows lie columns_row apart:
// kColumnsSlack more than they have, which is overwritten. plan: of one image. planes:
// plan.plane_units() floats, cleared.
inline constexpr int64_t kColumnsSlack = 32;
void gather_columns(namp_simd simd, const PlanePlan& plan, const void* input, namp_dtype dtype,
                    int64_t first, int64_t rows, void* planes, void* columns, int64_t columns_row);

// out[column * out_stride + row] = in[row * in_stride + column].
void transpose_floats(namp_simd simd, float* out, int64_t out_stride, const float* in,
                      int64_t in_stride, int64_t rows, int64_t columns);

// The same of bfloat16, in pairs of rows, of which there are at most kTransposedRows:
// out[column * out_stride + pair]. The second one of an odd last row is zero.
inline constexpr int64_t kTransposedRows = 32;
void transpose_pairs(namp_simd simd, float* out, int64_t out_stride, const uint16_t* in,
                     int64_t in_stride, int64_t rows, int64_t columns);

}  // namespace namp
