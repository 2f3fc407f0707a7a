// Launches of int4_gemm.cu.
#include "cuda/cuda_backend.h"
#include "cuda/int4_kernels.h"

namespace namp {

// The kernels read codes and scales as they are, one after the other.
void CudaBackend::int4_pack(const namp_int4_pack_args& args, namp_stream stream) {
  const int64_t groups = args.n * code_groups(args.k, args.group);
  const int64_t code_bytes = groups * args.group / 2;
  copy(args.packed, args.codes, code_bytes, NAMP_COPY_DEVICE_TO_DEVICE, stream);
  copy(static_cast<char*>(args.packed) + code_bytes, args.scales,
       groups * static_cast<int64_t>(sizeof(float)), NAMP_COPY_DEVICE_TO_DEVICE, stream);
}

void CudaBackend::int4_gemm(const namp_int4_gemm_args& args, namp_stream stream) {
  const cuda::Int4GemmKernel& kernel = args.m == 1 ? cuda::kInt4GemmRow : cuda::kInt4GemmRows;
  constexpr int kWarps = cuda::kInt4Threads / 32;
  const int64_t tasks =
      cuda::blocks(args.m, kernel.rows) * cuda::blocks(args.n, cuda::kInt4WarpColumns);
  launch(kernel.kernel, cuda::blocks(tasks, kWarps), args, stream);
}

}  // namespace namp
