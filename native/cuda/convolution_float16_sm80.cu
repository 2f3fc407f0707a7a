// Convolutions of float16 on tensor cores of compute capability 8.0 and later.
#include "cuda/platform.cuh"

#include "cuda/convolution_operands.cuh"

namespace namp::cuda {

NAMP_CONVOLUTIONS(float16, Float16, Float16Pair, 2, 3, 4, true)

}  // namespace namp::cuda
