// Launches of pooling.cu.
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

cuda::PoolArgs packed(const namp_pool2d_args& args) {
  return {args, (args.in_h + 2 * args.pad_h - args.kernel_h) / args.stride_h + 1,
          (args.in_w + 2 * args.pad_w - args.kernel_w) / args.stride_w + 1};
}

}  // namespace

void CudaBackend::pool2d_forward(const namp_pool2d_args& args, namp_stream stream) {
  const cuda::PoolArgs pool = packed(args);
  launch(cuda::kPoolForward,
         cuda::blocks(args.planes * pool.out_h * pool.out_w, cuda::kElementThreads), pool, stream);
}

void CudaBackend::pool2d_backward(const namp_pool2d_args& args, namp_stream stream) {
  launch(cuda::kPoolBackward,
         cuda::blocks(args.planes * args.in_h * args.in_w, cuda::kElementThreads), packed(args),
         stream);
}

}  // namespace namp
