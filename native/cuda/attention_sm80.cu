// Attention on tensor cores, of heads of up to 128 dimensions.
#include "cuda/platform.cuh"

#include "cuda/attention_tensor.cuh"

namespace namp::cuda {

NAMP_FOR_EACH_TENSOR_ATTENTION(NAMP_TENSOR_ATTENTION)

}  // namespace namp::cuda
