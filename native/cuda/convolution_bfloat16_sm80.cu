// Convolutions of bfloat16 on tensor cores, from compute capability 8.0 on.
#include "cuda/platform.cuh"

#include "cuda/convolution_operands.cuh"

namespace namp::cuda {

NAMP_CONVOLUTIONS(bfloat16, BFloat16, BFloat16Pair, 2, 3, 4, true)

}  // namespace namp::cuda
