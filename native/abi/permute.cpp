// Checks of the arguments of permute.
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

int32_t namp_permute(namp_device* device, void* out, const void* in, int32_t dtype, int32_t rank,
                     const int64_t* shape, const int32_t* perm, namp_stream stream) {
  return namp::wall([&] {
    const auto checked = namp::use_device(device);
    if (namp::dtype_size(dtype) == 0) {
      namp::fail(NAMP_ERROR_INVALID_ARGUMENT,
                 "dtype is " + namp::dtype_name(dtype) + "; it must be a dtype with elements.");
    }
    namp::check_range(rank, 1, NAMP_PERMUTE_MAX_RANK, "rank");
    namp::check_object(shape, "shape");
    namp::check_object(perm, "perm");
    bool seen[NAMP_PERMUTE_MAX_RANK] = {};
    int64_t sizes[NAMP_PERMUTE_MAX_RANK] = {1, 1, 1, 1, 1, 1};
    for (int32_t d = 0; d < rank; ++d) {
      sizes[d] = shape[d];
      if (perm[d] < 0 || perm[d] >= rank || seen[perm[d]]) {
        namp::fail(NAMP_ERROR_INVALID_ARGUMENT, "perm[" + std::to_string(d) + "] is " +
                                                    std::to_string(perm[d]) +
                                                    "; perm must hold each of 0 to rank - 1 once.");
      }
      seen[perm[d]] = true;
    }
    static_assert(NAMP_PERMUTE_MAX_RANK == 6);
    const int64_t count = namp::check_product(
        {sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]}, "the sizes of shape");
    namp::check_tensor(out, dtype, count, "out");
    namp::check_tensor(in, dtype, count, "in");
    if (count != 0) {
      checked->backend->permute(out, in, static_cast<namp_dtype>(dtype), rank, shape, perm, stream);
    }
  });
}
