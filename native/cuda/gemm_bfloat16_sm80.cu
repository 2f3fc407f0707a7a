// Products of bfloat16 on tensor cores, which know it from compute capability 8.0 on.
#include "cuda/platform.cuh"

#include "cuda/matrix_operands.cuh"

namespace namp::cuda {

NAMP_MATRIX_PRODUCTS(bfloat16, BFloat16, BFloat16Pair, 2, 4, true)

}  // namespace namp::cuda
