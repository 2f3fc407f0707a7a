// Depthwise convolution of small images without a library, in all directions: by lanes.
#include <algorithm>

#include "cpu/column_sums.h"
#include "cpu/convolution_planes.h"
#include "cpu/cpu_backend.h"
#include "cpu/depthwise.h"
#include "cpu/depthwise_lanes.h"
#include "cpu/element.h"
#include "hwy/cache_control.h"

namespace namp {
namespace {

constexpr int64_t kWorkerBytes = align(DepthwiseLanes::kScratchFloats * 4);

}  // namespace

void CpuBackend::convolve_by_lanes(const namp_conv2d_args& args, ConvolutionPass pass,
                                   namp_stream stream) {
  const ConvolutionShape shape(args);
  if (pass == ConvolutionPass::kBackwardWeights) return sum_weights_by_lanes(args, stream);
  const bool backward = pass == ConvolutionPass::kBackwardData;
  const bool mirrored = backward && DepthwiseLanes::has_mirror(shape);
  const DepthwiseLanes plan(mirrored ? DepthwiseLanes::mirror(shape) : shape);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t blocks = divide_up(args.groups, kLaneChannels);
  const int64_t block_weights = shape.taps * kLaneChannels;
  const int64_t lanes_bytes = align(blocks * block_weights * 4);
  const int64_t wide_bytes = dtype == NAMP_FLOAT32 ? 0 : align(args.groups * shape.taps * 4);
  char* memory =
      worker_scratch(1, lanes_bytes + wide_bytes + threads_.count() * kWorkerBytes, stream);
  const void* wide = args.weight;
  if (wide_bytes > 0) {
    wide = memory + lanes_bytes;
    cast(cell_of(memory + lanes_bytes, NAMP_FLOAT32), cell_of(args.weight, dtype),
         args.groups * shape.taps, {}, stream);
  }
  auto* weights = reinterpret_cast<float*>(memory);
  std::fill_n(weights, blocks * block_weights, 0.0f);
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t channel = block * kLaneChannels;
    transpose_floats(simd_, weights + block * block_weights, kLaneChannels,
                     static_cast<const float*>(wide) + channel * shape.taps, shape.taps,
                     std::min(kLaneChannels, args.groups - channel), shape.taps);
    float* tap = weights + block * block_weights;
    float* last = tap + block_weights - kLaneChannels;
    for (; mirrored && tap < last; tap += kLaneChannels, last -= kLaneChannels)
      std::swap_ranges(tap, tap + kLaneChannels, last);
  }
  const int64_t inputs = backward ? shape.positions : shape.pixels;
  const int64_t outputs = backward ? shape.pixels : shape.positions;
  const void* input = backward ? args.output_gradient : args.input;
  const ProductOutput all = convolution_output(args, backward, outputs);
  char* scratch = memory + lanes_bytes + wide_bytes;
  threads_.split(args.batch * blocks, [&](int64_t worker, int64_t first, int64_t last) {
    auto* mine = reinterpret_cast<float*>(scratch + worker * kWorkerBytes);
    std::fill_n(mine, DepthwiseLanes::kScratchFloats, 0.0f);
    for (int64_t item = first; item < last; ++item) {
      const int64_t block = item % blocks;
      const int64_t channel = block * kLaneChannels;
      const int64_t index = item / blocks * args.groups + channel;
      ProductOutput output = all;
      output.c = element(all.c, dtype, index * outputs);
      if (all.bias != nullptr) output.bias = element(all.bias, dtype, channel);
      const auto convolve = backward && !mirrored ? convolve_lanes_backward : convolve_lanes;
      convolve(simd_, plan, std::min(kLaneChannels, args.groups - channel),
               weights + block * block_weights, element(input, dtype, index * inputs), output,
               mine);
    }
    hwy::FlushStream();
  });
}

// The batch is cut into pieces by its size alone, so that the bits do not depend on threads.
void CpuBackend::sum_weights_by_lanes(const namp_conv2d_args& args, namp_stream stream) {
  const ConvolutionShape shape(args);
  const DepthwiseLanes plan(shape);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t blocks = divide_up(args.groups, kLaneChannels);
  const int64_t block_weights = shape.taps * kLaneChannels;
  const int64_t images = std::max<int64_t>(1, divide_up(args.batch, kDepthwisePieces));
  const int64_t pieces = std::max<int64_t>(1, divide_up(args.batch, images));
  const int64_t sums_bytes = align(pieces * blocks * block_weights * 4);
  const int64_t out_bytes = align(args.groups * shape.taps * 4);
  char* memory =
      worker_scratch(1, sums_bytes + out_bytes + threads_.count() * kWorkerBytes, stream);
  auto* sums = reinterpret_cast<float*>(memory);
  auto* out = reinterpret_cast<float*>(memory + sums_bytes);
  char* scratch = memory + sums_bytes + out_bytes;
  threads_.split(pieces * blocks, [&](int64_t worker, int64_t first, int64_t last) {
    auto* mine = reinterpret_cast<float*>(scratch + worker * kWorkerBytes);
    std::fill_n(mine, DepthwiseLanes::kScratchFloats, 0.0f);
    std::fill(sums + first * block_weights, sums + last * block_weights, 0.0f);
    for (int64_t item = first; item < last; ++item) {
      const int64_t channel = item % blocks * kLaneChannels;
      const int64_t begin = item / blocks * images;
      for (int64_t image = begin; image < std::min(args.batch, begin + images); ++image) {
        const int64_t index = image * args.groups + channel;
        sum_lane_weights(simd_, plan, std::min(kLaneChannels, args.groups - channel),
                         element(args.input, dtype, index * shape.pixels),
                         element(args.output_gradient, dtype, index * shape.positions), dtype,
                         sums + item * block_weights, mine);
      }
    }
  });
  add_blocks(threads_, simd_, sums, pieces, blocks * block_weights);
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t channel = block * kLaneChannels;
    transpose_floats(simd_, out + channel * shape.taps, shape.taps, sums + block * block_weights,
                     kLaneChannels, shape.taps, std::min(kLaneChannels, args.groups - channel));
  }
  cast(cell_of(args.weight_gradient, args.weight_gradient_dtype), cell_of(out, NAMP_FLOAT32),
       args.groups * shape.taps, {}, stream);
}

}  // namespace namp
