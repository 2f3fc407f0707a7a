// Launches of elementwise.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::add(const namp_add_args& args, namp_stream stream) {
  launch(cuda::kAdd, cuda::task_count(args.count), args, stream);
}

void CudaBackend::multiply(const namp_multiply_args& args, namp_stream stream) {
  constexpr cuda::Kernel<namp_multiply_args> kMultiply{"elementwise", "multiply_kernel",
                                                       cuda::kElementThreads};
  launch(kMultiply, cuda::task_count(args.count), args, stream);
}

void CudaBackend::dropout(void* output, const void* input, namp_dtype dtype, int64_t count,
                          float probability, uint64_t seed, uint64_t offset,
                          const uint64_t* offset_base, namp_stream stream) {
  launch(cuda::kDropout, cuda::task_count(count),
         {output, input, count, dtype, probability, seed, offset, offset_base}, stream);
}

}  // namespace namp
