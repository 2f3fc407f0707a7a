// Launches of sum.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::sum(const namp_sum_args& args, namp_stream stream) {
  if (args.inner == 1) {
    launch_column_sums(cuda::kSumColumns, args.outer, args.channels, 1, args, stream);
  } else {
    launch(cuda::kSumChannels, args.channels, args, stream);
  }
}

}  // namespace namp
