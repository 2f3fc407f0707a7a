// Launches of the pooling kernels of windows.cu.
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

cuda::PoolArgs packed(const namp_pool2d_args& args) {
  return {args, (args.in_h + 2 * args.pad_h - args.kernel_h) / args.stride_h + 1,
          (args.in_w + 2 * args.pad_w - args.kernel_w) / args.stride_w + 1};
}

int64_t blocks(int64_t count) {
  return (count + cuda::kElementThreads - 1) / cuda::kElementThreads;
}

}  // namespace

void CudaBackend::pool2d_forward(const namp_pool2d_args& args, namp_stream stream) {
  const cuda::PoolArgs pool = packed(args);
  launch(cuda::kPoolForward, blocks(args.planes * pool.out_h * pool.out_w), pool, stream);
}

void CudaBackend::pool2d_backward(const namp_pool2d_args& args, namp_stream stream) {
  launch(cuda::kPoolBackward, blocks(args.planes * args.in_h * args.in_w), packed(args), stream);
}

}  // namespace namp
