// Matrix multiplication: cuBLAS where it is there, the kernel of gemm.cu where it is not.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::gemm(const namp_gemm_args& args, namp_stream stream) {
  multiply({args, 0}, stream);
}

void CudaBackend::multiply(const cuda::GemmArgs& gemm, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const namp_gemm_args& args = gemm.call;
  const int64_t products = args.batch > 0 ? args.batch : 1;
  const int64_t tiles_m = (args.m + cuda::kGemmTile - 1) / cuda::kGemmTile;
  const int64_t tiles_n = (args.n + cuda::kGemmTile - 1) / cuda::kGemmTile;
  launch(cuda::kGemm, products * tiles_m * tiles_n, gemm, stream);
}

}  // namespace namp
