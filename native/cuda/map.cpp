// Launches of map.cu and reduce.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::map(const namp_map_args& args, namp_stream stream) {
  const Strided shape(args);
  const cuda::MapArgs packed{
      shape,        args.out,      args.a, args.b, args.out_dtype,        args.a_dtype,
      args.b_dtype, args.function, args.p, args.q, shape.is_run() ? 1 : 0};
  const int64_t columns = shape.shape[shape.rank - 1];
  const int64_t packs = shape.count / columns * cuda::blocks(columns, cuda::kPack);
  launch(
      cuda::kMap,
      shape.is_run() ? cuda::task_count(shape.count) : cuda::blocks(packs, cuda::kElementThreads),
      packed, stream);
}

void CudaBackend::reduce(const namp_reduce_args& args, namp_stream stream) {
  const int64_t packs = args.outer * cuda::blocks(args.inner, cuda::kPack);
  const int64_t pack_blocks = cuda::blocks(packs, cuda::kElementThreads);
  if (args.reduction == NAMP_REDUCTION_MAX) {
    if (args.inner == 1) {
      launch(cuda::kReduceMaxRows, cuda::blocks(args.outer, cuda::kRowsPerBlock), args, stream);
    } else {
      launch(cuda::kReduceMax, pack_blocks, args, stream);
    }
  } else if (args.outer == 1 || args.inner == 1) {
    sum(columns_or_rows(args), stream);
  } else {
    launch(cuda::kReduceSum, pack_blocks, args, stream);
  }
}

}  // namespace namp
