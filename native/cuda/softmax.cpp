// Launches of softmax.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::softmax_forward(const namp_softmax_args& args, namp_stream stream) {
  launch(cuda::kSoftmaxForward, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::softmax_backward(const namp_softmax_args& args, namp_stream stream) {
  launch(cuda::kSoftmaxBackward, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::argmax(int32_t* out, const void* in, namp_dtype dtype, int64_t rows,
                         int64_t width, namp_stream stream) {
  launch(cuda::kArgmax, cuda::blocks(rows, cuda::kRowsPerBlock), {out, in, rows, width, dtype},
         stream);
}

}  // namespace namp
