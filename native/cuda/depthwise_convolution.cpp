// Launches of depthwise_convolution.cu.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "cuda/gather_axes.h"

namespace namp {
namespace {

// Output channels of a group, up to which a thread sums what tensor cores would sum with most of their
// products for nothing.
constexpr int64_t kMostOfGroup = 4;
// Blocks of a weight's gradient: enough for a large GPU. How many parts of the images they are depends on
// the shape alone.
constexpr int64_t kWeightBlocks = 2048;

cuda::DepthwiseArgs depthwise_args(const namp_conv2d_args& args, int64_t results) {
  cuda::DepthwiseArgs d{};
  d.weight = args.weight;
  d.dtype = args.dtype;
  d.activation = NAMP_ACTIVATION_NONE;
  d.images = static_cast<int32_t>(args.batch);
  d.results = static_cast<int32_t>(results);
  d.results_of_group = static_cast<int32_t>(results / args.groups);
  d.images_of_group = static_cast<int32_t>(args.out_channels / results);
  d.kernel_w = static_cast<int32_t>(args.kernel_w);
  d.taps = static_cast<int32_t>(args.kernel_h * args.kernel_w);
  return d;
}

int64_t depthwise_blocks(const cuda::DepthwiseArgs& d) {
  return cuda::blocks(int64_t{d.images} * d.results * d.h.result * d.w.result,
                      cuda::kElementThreads);
}

}  // namespace

bool CudaBackend::is_depthwise(const namp_conv2d_args& args) {
  const ConvolutionShape s(args);
  return args.in_channels == args.groups && s.out_channels <= kMostOfGroup && can_gather(args) &&
         are_few({args.batch, args.out_channels, s.plane}) &&
         are_few({args.batch, args.in_channels, args.in_h, args.in_w});
}

void CudaBackend::depthwise_output(const namp_conv2d_args& args, namp_stream stream) {
  const ConvolutionShape s(args);
  cuda::DepthwiseArgs d = depthwise_args(args, args.out_channels);
  d.images_of_group = 1;
  d.image = args.input;
  d.bias = args.bias;
  d.result = args.output;
  d.activation = args.activation;
  d.h = output_axis(height_of(args, s));
  d.w = output_axis(width_of(args, s));
  launch(cuda::kDepthwise, depthwise_blocks(d), d, stream);
}

void CudaBackend::depthwise_input_gradient(const namp_conv2d_args& args, namp_stream stream) {
  const ConvolutionShape s(args);
  cuda::DepthwiseArgs d = depthwise_args(args, args.in_channels);
  d.image = args.output_gradient;
  d.result = args.input_gradient;
  d.h = input_axis(height_of(args, s));
  d.w = input_axis(width_of(args, s));
  launch(cuda::kDepthwise, depthwise_blocks(d), d, stream);
}

void CudaBackend::depthwise_weight_gradient(const namp_conv2d_args& args, namp_stream stream) {
  const ConvolutionShape s(args);
  cuda::DepthwiseWeightArgs d{};
  d.image = args.input;
  d.gradient = args.output_gradient;
  d.dtype = args.dtype;
  d.images = static_cast<int32_t>(args.batch);
  d.channels = static_cast<int32_t>(args.out_channels);
  d.channels_of_group = static_cast<int32_t>(s.out_channels);
  d.kernel_w = static_cast<int32_t>(args.kernel_w);
  d.taps = static_cast<int32_t>(s.taps);
  d.walk = cuda::Walk::of(cuda::kElementThreads, s.out_h, s.out_w);
  d.h = output_axis(height_of(args, s));
  d.w = output_axis(width_of(args, s));
  const int64_t sums = args.out_channels * s.taps;  // of a part
  const int64_t wanted = std::clamp<int64_t>(cuda::blocks(kWeightBlocks, sums), 1, args.batch);
  const int64_t images_of_part = cuda::blocks(args.batch, wanted);
  const int64_t parts = cuda::blocks(args.batch, images_of_part);
  d.images_of_part = static_cast<int32_t>(images_of_part);
  d.sums = static_cast<float*>(workspace(parts * sums * int64_t{sizeof(float)}, stream));
  launch(cuda::kDepthwiseWeight, parts * sums, d, stream);
  sum_weight_gradient(args, d.sums, parts, 1, false, stream);
}

}  // namespace namp
