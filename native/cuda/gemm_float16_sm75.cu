// Products of float16 on tensor cores of compute capability 7.5, where nothing is copied to shared
// memory beside them.
#include "cuda/platform.cuh"

#include "cuda/matrix_operands.cuh"

namespace namp::cuda {

NAMP_MATRIX_PRODUCTS(float16_sm75, Float16, Float16Pair, 1, 3, false)

}  // namespace namp::cuda
