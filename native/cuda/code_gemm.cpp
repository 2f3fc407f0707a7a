// Launches of code_gemm.cu.
#include "cuda/code_kernels.h"
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::code_gemm(const namp_code_gemm_args& args, namp_stream stream) {
  const bool one = args.m == 1;
  const cuda::CodeGemmKernel& kernel =
      args.bits == 4 ? (one ? cuda::kCodeGemmInt4Row : cuda::kCodeGemmInt4Rows)
                     : (one ? cuda::kCodeGemmInt8Row : cuda::kCodeGemmInt8Rows);
  launch(kernel.kernel, cuda::blocks(args.m, kernel.rows) * cuda::blocks(args.n, kernel.columns),
         args, stream);
}

}  // namespace namp
