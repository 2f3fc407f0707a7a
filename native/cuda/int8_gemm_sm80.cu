// Products of 8-bit integers on tensor cores of compute capability 8.0 and later.
#include "cuda/platform.cuh"

#include "cuda/int8_product.cuh"

namespace namp::cuda {

NAMP_INT8_PRODUCT(, 128, kWideTileThreads, 2, true)
NAMP_INT8_PRODUCT(, 64, kNarrowTileThreads, 4, true)

}  // namespace namp::cuda
