// Convolutions of float16 on tensor cores of compute capability 7.5.
#include "cuda/platform.cuh"

#include "cuda/convolution_operands.cuh"

namespace namp::cuda {

NAMP_CONVOLUTIONS(float16_sm75, Float16, Float16Pair, 1, 2, 3, false)

}  // namespace namp::cuda
