// The kernels of products of 4-bit weights and 8-bit rows: int4_gemm.cu.
#pragma once

#include "cuda/kernels.h"

namespace namp::cuda {

inline constexpr int kInt4Threads = 128;
inline constexpr int kInt4WarpColumns = 4;

// A product, and the rows that a warp makes of its columns.
struct Int4GemmKernel {
  Kernel<namp_int4_gemm_args> kernel;
  int64_t rows;
};

inline constexpr Int4GemmKernel kInt4GemmRow{{"int4_gemm", "int4_gemm_row_kernel", kInt4Threads},
                                             1};
inline constexpr Int4GemmKernel kInt4GemmRows{{"int4_gemm", "int4_gemm_rows_kernel", kInt4Threads},
                                              8};

}  // namespace namp::cuda
