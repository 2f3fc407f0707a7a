// Convolution without a library, forward and backward to the images: channel by channel or by planes
// if they are worth it, else im2col and our own matrix products. Any dtype.
#include <algorithm>

#include "cpu/block_gemm.h"
#include "cpu/convolution_columns.h"
#include "cpu/convolution_slices.h"
#include "cpu/cpu_backend.h"
#include "cpu/element.h"
#include "hwy/cache_control.h"

namespace namp {
namespace {

// Scratch memory of one worker backward to the images: that of a product, then a block of columns.
int64_t worker_bytes(const ConvolutionShape& shape) {
  const int64_t columns = shape.taps * positions_at_once(shape);
  return align(kProductScratchBytes) + align(columns * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

void CpuBackend::conv2d_forward_by_loops(const namp_conv2d_args& args, namp_stream stream) {
  if (convolve_depthwise(args, ConvolutionPass::kForward, stream) ||
      convolve_by_planes(args, ConvolutionPass::kForward, stream))
    return;
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const Columns source(shape, 1);
  const int64_t block = source.block();
  const int64_t each = align(kProductScratchBytes) + source.planes_bytes() + source.bytes();
  char* scratch = worker_scratch(threads_.count(), each, stream);
  threads_.split(args.batch * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    char* product = scratch + worker * each;
    char* planes = product + align(kProductScratchBytes);
    char* columns = planes + source.planes_bytes();
    source.clear(planes);
    for (int64_t item = first; item < last; ++item) {
      const int64_t group = item % args.groups;
      const int64_t channel = group * shape.group_out;
      const MatrixView weight{element(args.weight, dtype, channel * shape.taps), dtype, shape.taps,
                              1};
      const void* input = element(args.input, dtype, item * shape.group_in * shape.pixels);
      ProductOutput output = convolution_output(args, false, shape.positions);
      output.c = element(args.output, dtype, item * shape.group_out * shape.positions);
      if (output.bias != nullptr) output.bias = element(args.bias, dtype, channel);
      for (int64_t begin = 0; begin < shape.positions; begin += block) {
        const int64_t count = std::min(block, shape.positions - begin);
        block_gemm(simd_, shape.group_out, count, shape.taps, weight,
                   source.of(simd_, input, dtype, begin, begin + count, planes, columns),
                   part_of(output, 0, begin), product);
      }
    }
    hwy::FlushStream();
  });
}

void CpuBackend::conv2d_backward_data_by_loops(const namp_conv2d_args& args, namp_stream stream) {
  if (convolve_depthwise(args, ConvolutionPass::kBackwardData, stream) ||
      convolve_by_planes(args, ConvolutionPass::kBackwardData, stream))
    return;
  by_images(args, [&](const namp_conv2d_args& slice) {
    scatter_gradients(slice, stream);
    return true;
  });
}

void CpuBackend::scatter_gradients(const namp_conv2d_args& args, namp_stream stream) {
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t block = positions_at_once(shape);
  const int64_t each = worker_bytes(shape);
  const int64_t count = args.batch * args.in_channels * shape.pixels;
  const int64_t wide_bytes = dtype == NAMP_FLOAT32 ? 0 : align(count * 4);
  auto* scratch = static_cast<char*>(workspace(threads_.count() * each + wide_bytes, stream));
  // Sums of float32, rounded once at the end.
  auto* sums = reinterpret_cast<float*>(scratch + threads_.count() * each);
  if (dtype == NAMP_FLOAT32) sums = static_cast<float*>(args.input_gradient);
  threads_.split(args.batch * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    char* product = scratch + worker * each;
    auto* columns = reinterpret_cast<float*>(product + align(kProductScratchBytes));
    for (int64_t item = first; item < last; ++item) {
      const int64_t channel = item % args.groups * shape.group_out;
      const MatrixView weight{element(args.weight, dtype, channel * shape.taps), dtype, 1,
                              shape.taps};
      const MatrixView gradient{
          element(args.output_gradient, dtype, item * shape.group_out * shape.positions), dtype,
          shape.positions, 1};
      float* out = sums + item * shape.group_in * shape.pixels;
      std::fill_n(out, shape.group_in * shape.pixels, 0.0f);
      for (int64_t begin = 0; begin < shape.positions; begin += block) {
        const int64_t length = std::min(block, shape.positions - begin);
        block_gemm(simd_, shape.taps, length, shape.group_out, weight, part_of(gradient, 0, begin),
                   {columns, NAMP_FLOAT32, length}, product);
        scatter_columns(shape, columns, begin, begin + length, out);
      }
    }
  });
  if (dtype != NAMP_FLOAT32) {
    cast(cell_of(args.input_gradient, dtype), cell_of(sums, NAMP_FLOAT32), count, {}, stream);
  }
}

}  // namespace namp
