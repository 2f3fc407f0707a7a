// Products of float rows and weights in codes of 4 or 8 bits.
#include "cuda/platform.cuh"

#include "cuda/code_product.cuh"

namespace namp::cuda {

// resident: blocks that a multiprocessor should hold; across: columns of half a warp; slice: of k,
// that is in shared memory at a time.
#define NAMP_CODE_PRODUCT(name, Codes, declared, resident, across, slice)               \
  NAMP_KERNEL(kCodeThreads, resident)                                                   \
  code_gemm_##name##_kernel(NAMP_GRID_CONSTANT const namp_code_gemm_args args) {        \
    using Product = CodeProduct<Codes, static_cast<int>(declared.rows), across, slice>; \
    static_assert(Product::kBlockColumns == declared.columns);                          \
    __shared__ typename Product::Memory memory;                                         \
    Product::run(args, memory);                                                         \
  }

NAMP_CODE_PRODUCT(int8_row, Int8Codes, kCodeGemmInt8Row, 3, 2, 1024)
NAMP_CODE_PRODUCT(int8_rows, Int8Codes, kCodeGemmInt8Rows, 3, 4, 256)
NAMP_CODE_PRODUCT(int4_row, Int4Codes, kCodeGemmInt4Row, 4, 2, 1024)
NAMP_CODE_PRODUCT(int4_rows, Int4Codes, kCodeGemmInt4Rows, 3, 4, 256)

}  // namespace namp::cuda
