// Convolution without a library: by planes if they are worth it, else im2col and our own matrix
// products. Any dtype.
#include <algorithm>
#include <cstring>

#include "cpu/block_gemm.h"
#include "cpu/convolution_columns.h"
#include "cpu/convolution_planes.h"
#include "cpu/cpu_backend.h"
#include "dtype.h"

namespace namp {
namespace {

// Positions of a block of columns: the block stays in the second-level cache, or has a few
// positions if there are many taps.
int64_t positions_at_once(const ConvolutionShape& shape) {
  const int64_t fitting = (int64_t{1} << 18) / shape.taps;
  return std::min(shape.positions, std::max<int64_t>(16, fitting));
}

template <class Pointer>
Pointer at(Pointer pointer, int64_t index, namp_dtype dtype) {
  using Byte =
      std::conditional_t<std::is_const_v<std::remove_pointer_t<Pointer>>, const char, char>;
  return static_cast<Byte*>(pointer) + index * dtype_size(dtype);
}

void gather(const ConvolutionShape& shape, const void* input, namp_dtype dtype, int64_t begin,
            int64_t end, void* columns) {
  if (dtype == NAMP_FLOAT32) {
    gather_columns(shape, static_cast<const float*>(input), begin, end,
                   static_cast<float*>(columns));
  } else {
    gather_columns(shape, static_cast<const uint16_t*>(input), begin, end,
                   static_cast<uint16_t*>(columns));
  }
}

// Scratch memory of one worker: that of a product, then that of a block of columns.
int64_t worker_bytes(const ConvolutionShape& shape) {
  const int64_t columns = shape.taps * positions_at_once(shape);
  return align(kProductScratchBytes) + align(columns * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

void CpuBackend::conv2d_forward_by_loops(const namp_conv2d_args& args, namp_stream stream) {
  if (convolve_by_planes(args, ConvolutionPass::kForward, stream)) return;
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const int64_t block = positions_at_once(shape);
  const int64_t each = worker_bytes(shape);
  char* scratch = worker_scratch(threads_.count(), each, stream);
  threads_.split(args.batch * args.groups, [&](int64_t worker, int64_t first, int64_t last) {
    char* product = scratch + worker * each;
    char* columns = product + align(kProductScratchBytes);
    for (int64_t item = first; item < last; ++item) {
      const int64_t group = item % args.groups;
      const int64_t channel = group * shape.group_out;
      const MatrixView weight{at(args.weight, channel * shape.taps, dtype), dtype, shape.taps, 1};
      const void* input = at(args.input, item * shape.group_in * shape.pixels, dtype);
      ProductOutput output{at(args.output, item * shape.group_out * shape.positions, dtype), dtype,
                           shape.positions};
      output.activation = static_cast<namp_activation>(args.activation);
      output.bias = args.bias == nullptr ? nullptr : at(args.bias, channel, dtype);
      output.bias_dtype = dtype;
      output.bias_by_row = true;
      for (int64_t begin = 0; begin < shape.positions; begin += block) {
        const int64_t count = std::min(block, shape.positions - begin);
        gather(shape, input, dtype, begin, begin + count, columns);
        block_gemm(simd_, shape.group_out, count, shape.taps, weight, {columns, dtype, count, 1},
                   part_of(output, 0, begin), product);
      }
    }
  });
}

void CpuBackend::conv2d_backward_data_by_loops(const namp_conv2d_args& args, namp_stream stream) {
  if (convolve_by_planes(args, ConvolutionPass::kBackwardData, stream)) return;
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
      const MatrixView weight{at(args.weight, channel * shape.taps, dtype), dtype, 1, shape.taps};
      const MatrixView gradient{
          at(args.output_gradient, item * shape.group_out * shape.positions, dtype), dtype,
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

void CpuBackend::conv2d_backward_weights_by_loops(const namp_conv2d_args& args,
                                                  namp_stream stream) {
  const ConvolutionShape shape(args);
  const auto dtype = static_cast<namp_dtype>(args.dtype);
  const PlanePlan plan(planes_of_input(shape), nullptr, 1);
  const bool by_planes = plan.fits();
  const int64_t block =
      by_planes
          ? std::clamp<int64_t>(positions_at_once(shape) / shape.out_w, 1, plan.band) * shape.out_w
          : positions_at_once(shape);
  const int64_t weights = args.out_channels * shape.taps;
  // Of a worker: its sums, planes, columns and a product's scratch memory.
  const int64_t sums_bytes = align(weights * 4);
  const int64_t planes_bytes = by_planes ? align(plan.plane_units() * 4) : 0;
  const int64_t columns_bytes = align(shape.taps * block * 4 + kColumnsSlack);
  const int64_t each = sums_bytes + planes_bytes + columns_bytes + align(kProductScratchBytes);
  const int64_t workers = std::max<int64_t>(1, std::min<int64_t>(threads_.count(), args.batch));
  char* scratch = worker_scratch(1, workers * each + sums_bytes, stream);
  const auto sums_of = [&](int64_t worker) {
    return reinterpret_cast<float*>(scratch + worker * each);
  };
  std::fill_n(sums_of(0), weights, 0.0f);  // no worker does it where there are no images
  // Every worker sums over its images, [taps, channels of the output] in each group: the larger
  // operand, the columns, then lies in memory as a product reads its left side. The sums are added
  // in the order of workers.
  threads_.split(args.batch, [&](int64_t worker, int64_t first, int64_t last) {
    std::fill_n(sums_of(worker), weights, 0.0f);
    char* planes = scratch + worker * each + sums_bytes;
    char* columns = planes + planes_bytes;
    char* product = columns + columns_bytes;
    if (by_planes) clear_planes(plan, planes);
    for (int64_t item = first * args.groups; item < last * args.groups; ++item) {
      const void* input = at(args.input, item * shape.group_in * shape.pixels, dtype);
      const MatrixView gradient{
          at(args.output_gradient, item * shape.group_out * shape.positions, dtype), dtype, 1,
          shape.positions};
      ProductOutput output{sums_of(worker) + item % args.groups * shape.group_out * shape.taps,
                           NAMP_FLOAT32, shape.group_out};
      output.beta = 1.0f;
      for (int64_t begin = 0; begin < shape.positions; begin += block) {
        const int64_t count = std::min(block, shape.positions - begin);
        if (by_planes) {
          gather_columns(simd_, plan, input, dtype, begin / shape.out_w, count / shape.out_w,
                         planes, columns);
        } else {
          gather(shape, input, dtype, begin, begin + count, columns);
        }
        block_gemm(simd_, shape.taps, shape.group_out, count, {columns, dtype, count, 1},
                   part_of(gradient, begin, 0), output, product);
      }
    }
  });
  auto* sums = reinterpret_cast<float*>(scratch + workers * each);  // as the weights lie
  threads_.parallel_for(args.out_channels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t channel = begin; channel < end; ++channel) {
      const int64_t group = channel / shape.group_out * shape.group_out;
      const float* from = sums_of(0) + group * shape.taps + channel - group;
      float* to = sums + channel * shape.taps;
      for (int64_t tap = 0; tap < shape.taps; ++tap) {
        float sum = 0.0f;
        for (int64_t worker = 0; worker < workers; ++worker)
          sum += from[worker * (each / 4) + tap * shape.group_out];
        to[tap] = sum;
      }
    }
  });
  cast(cell_of(args.weight_gradient, args.weight_gradient_dtype), cell_of(sums, NAMP_FLOAT32),
       weights, {}, stream);
  if (args.bias_gradient != nullptr) {
    namp_sum_args bias{};
    bias.struct_size = sizeof(bias);
    bias.out_dtype = args.bias_gradient_dtype;
    bias.in_dtype = args.dtype;
    bias.alpha = 1.0f;
    bias.outer = args.batch;
    bias.channels = args.out_channels;
    bias.inner = shape.positions;
    bias.out = args.bias_gradient;
    bias.in = args.output_gradient;
    sum(bias, stream);
  }
}

}  // namespace namp
