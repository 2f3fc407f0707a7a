// Permutation of dimensions.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/view.cuh"

namespace namp::cuda {
namespace {

template <class T>
NAMP_DEVICE void permute_elements(const PermuteArgs& args) {
  const T* in = static_cast<const T*>(args.in);
  T* out = static_cast<T*>(args.out);
  for_elements(args.count, [&](int64_t i) {
    int64_t rest = i;
    int64_t from = 0;
#pragma unroll
    for (int d = NAMP_PERMUTE_MAX_RANK - 1; d >= 0; --d) {
      if (d >= args.rank) continue;
      const int64_t size = args.out_shape[d];
      from += rest % size * args.in_strides[d];
      rest /= size;
    }
    store_global(out + i, load_global(in + from));
  });
}

}  // namespace

NAMP_KERNEL(kElementThreads) permute_kernel(const PermuteArgs args) {
  switch (args.element_bytes) {
    case 1:
      return permute_elements<uint8_t>(args);
    case 2:
      return permute_elements<uint16_t>(args);
    default:
      return permute_elements<uint32_t>(args);
  }
}

}  // namespace namp::cuda
