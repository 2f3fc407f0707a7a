// Launches of int8_conv2d.cu.
#include "cuda/cuda_backend.h"
#include "cuda/int8_kernels.h"
#include "window.h"

namespace namp {

void CudaBackend::int8_conv2d(const namp_int8_conv2d_args& args, namp_stream stream) {
  const int64_t out_h =
      window_out({args.in_h, args.kernel_h, args.stride_h, args.pad_h, args.dilation_h});
  const int64_t out_w =
      window_out({args.in_w, args.kernel_w, args.stride_w, args.pad_w, args.dilation_w});
  const int64_t group_blocks =
      cuda::blocks(args.out_channels / args.groups, cuda::kInt8ConvChannels);
  launch(
      cuda::kInt8Conv2d,
      args.batch * args.groups * group_blocks * cuda::blocks(out_h * out_w, cuda::kInt8ConvThreads),
      {args, out_h, out_w, group_blocks}, stream);
}

}  // namespace namp
