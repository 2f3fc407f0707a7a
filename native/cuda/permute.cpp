// The launch of permute.cu.
#include "cuda/cuda_backend.h"
#include "dtype.h"

namespace namp {

void CudaBackend::permute(void* out, const void* in, namp_dtype dtype, int32_t rank,
                          const int64_t* shape, const int32_t* perm, namp_stream stream) {
  cuda::PermuteArgs args{};
  args.out = out;
  args.in = in;
  args.count = 1;
  args.element_bytes = dtype_size(dtype);
  args.rank = rank;
  int64_t in_strides[NAMP_PERMUTE_MAX_RANK];
  for (int32_t d = rank; d-- > 0;) {
    in_strides[d] = args.count;
    args.count *= shape[d];
  }
  for (int32_t d = 0; d < rank; ++d) {
    args.out_shape[d] = shape[perm[d]];
    args.in_strides[d] = in_strides[perm[d]];
  }
  launch(cuda::kPermute, cuda::blocks(args.count, cuda::kElementThreads), args, stream);
}

}  // namespace namp
