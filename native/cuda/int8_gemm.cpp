// Launches of int8_gemm.cu and int8_gemm_sm80.cu.
#include "cuda/cuda_backend.h"
#include "cuda/int8_kernels.h"

namespace namp {

// The kernels read the codes as they are.
void CudaBackend::int8_pack(const namp_int8_pack_args& args, namp_stream stream) {
  copy(args.packed, args.weight, args.packed_bytes, NAMP_COPY_DEVICE_TO_DEVICE, stream);
}

void CudaBackend::int8_gemm(const namp_int8_gemm_args& args, namp_stream stream) {
  if (args.m <= cuda::kInt8FewRows) {
    constexpr int kColumns = cuda::kInt8RowThreads / 32 * cuda::kInt8WarpColumns;
    launch(cuda::kInt8GemmRows, cuda::blocks(args.n, kColumns), args, stream);
    return;
  }
  const auto tiles = [&](int64_t tile) {
    return cuda::blocks(args.m, tile) * cuda::blocks(args.n, tile);
  };
  const cuda::Int8Gemms& gemms =
      capability_ >= cuda::kTensorCapability ? cuda::kInt8Gemm : cuda::kInt8GemmTuring;
  const bool wide = cuda::are_int8_words(cuda::address(args.a), cuda::address(args.b), args.k) &&
                    tiles(cuda::kWideTile) >= launcher_.multiprocessors();
  const cuda::Int8GemmKernel& kernel = wide ? gemms.wide : gemms.narrow;
  launch(kernel.kernel, tiles(kernel.tile),
         {args, cuda::TileGrid::of(args.m, args.n, kernel.tile, kernel.tile)}, stream);
}

}  // namespace namp
