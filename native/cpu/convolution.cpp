// Convolution: by oneDNN if it supports it (float16 as float32 in scratch memory, rounded once at
// the end), else by our own loops.
#include "cpu/convolution.h"

#include <array>

#include "cpu/convolution_slices.h"
#include "cpu/cpu_backend.h"
#include "cpu/element.h"

namespace namp {
namespace {

// A tensor that a pass reads or writes.
struct Tensor {
  const void* data;
  int64_t count;
  int32_t dtype;
  bool written;
};

// In the order of PlanTensors: source, weights, bias, destination.
std::array<Tensor, 4> tensors_of(const namp_conv2d_args& args, ConvolutionPass pass) {
  const ConvolutionShape shape(args);
  const int64_t inputs = args.batch * args.in_channels * shape.pixels;
  const int64_t weights = args.out_channels * shape.taps;
  const int64_t outputs = args.batch * args.out_channels * shape.positions;
  const int64_t channels = args.out_channels;
  const int32_t dtype = args.dtype;
  switch (pass) {
    case ConvolutionPass::kForward:
      return {{{args.input, inputs, dtype, false},
               {args.weight, weights, dtype, false},
               {args.bias, channels, dtype, false},
               {args.output, outputs, dtype, true}}};
    case ConvolutionPass::kBackwardData:
      return {{{args.input_gradient, inputs, dtype, true},
               {args.weight, weights, dtype, false},
               {nullptr, 0, dtype, false},
               {args.output_gradient, outputs, dtype, false}}};
    default:
      return {{{args.input, inputs, dtype, false},
               {args.weight_gradient, weights, args.weight_gradient_dtype, true},
               {args.bias_gradient, channels, args.bias_gradient_dtype, true},
               {args.output_gradient, outputs, dtype, false}}};
  }
}

int32_t widened(int32_t dtype) { return dtype == NAMP_FLOAT16 ? NAMP_FLOAT32 : dtype; }

}  // namespace

bool CpuBackend::convolve_by_library(const namp_conv2d_args& args, ConvolutionPass pass,
                                     namp_stream stream) {
  namp_conv2d_args wide = args;
  wide.dtype = widened(args.dtype);
  wide.weight_gradient_dtype = widened(args.weight_gradient_dtype);
  // oneDNN 2.6 writes a bfloat16 gradient of a bias in blocks of 16 channels, beyond its end where
  // each channel is a group.
  wide.bias_gradient_dtype = NAMP_FLOAT32;
  const PlanPointer plan = library_.conv2d(wide, pass, threads_.count());
  if (plan == nullptr) return false;

  const auto tensors = tensors_of(args, pass);
  const auto in_scratch = [&](const Tensor& tensor) {
    const bool is_bias_gradient =
        pass == ConvolutionPass::kBackwardWeights && &tensor == &tensors[2];
    return tensor.data != nullptr &&
           (tensor.dtype == NAMP_FLOAT16 || (is_bias_gradient && tensor.dtype != NAMP_FLOAT32));
  };
  int64_t bytes = align(plan->scratch_bytes());
  for (const Tensor& tensor : tensors) {
    if (in_scratch(tensor)) bytes += align(tensor.count * 4);
  }
  auto* scratch = static_cast<char*>(workspace(bytes, stream));
  char* next = scratch + align(plan->scratch_bytes());
  std::array<const void*, 4> data{};
  std::array<char*, 4> copies{};
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    data[i] = tensor.data;
    if (!in_scratch(tensor)) continue;
    copies[i] = next;
    data[i] = next;
    next += align(tensor.count * 4);
    if (!tensor.written) {
      cast(cell_of(copies[i], NAMP_FLOAT32), cell_of(tensor.data, NAMP_FLOAT16), tensor.count, {},
           stream);
    }
  }
  plan->run({data[0], data[1], data[2], data[3]}, scratch);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    if (copies[i] == nullptr || !tensor.written) continue;
    cast(cell_of(tensor.data, tensor.dtype), cell_of(copies[i], NAMP_FLOAT32), tensor.count, {},
         stream);
  }
  return true;
}

void CpuBackend::conv2d_forward(const namp_conv2d_args& args, namp_stream stream) {
  const bool done = by_images(args, [&](const namp_conv2d_args& slice) {
    return convolve_by_library(slice, ConvolutionPass::kForward, stream);
  });
  if (!done) conv2d_forward_by_loops(args, stream);
}

void CpuBackend::conv2d_backward_data(const namp_conv2d_args& args, namp_stream stream) {
  const bool done = by_images(args, [&](const namp_conv2d_args& slice) {
    return convolve_by_library(slice, ConvolutionPass::kBackwardData, stream);
  });
  if (!done) conv2d_backward_data_by_loops(args, stream);
}

void CpuBackend::conv2d_backward_weights(const namp_conv2d_args& args, namp_stream stream) {
  // The sums over no images are zeros, which oneDNN does not write.
  if (args.batch == 0 || !convolve_by_library(args, ConvolutionPass::kBackwardWeights, stream)) {
    conv2d_backward_weights_by_loops(args, stream);
  }
}

}  // namespace namp
