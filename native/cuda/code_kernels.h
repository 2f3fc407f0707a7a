// The kernels of products of float rows and coded weights: code_gemm.cu.
#pragma once

#include "cuda/kernels.h"

namespace namp::cuda {

inline constexpr int kCodeThreads = 128;

// A product, and the rows and columns of C that a block makes.
struct CodeGemmKernel {
  Kernel<namp_code_gemm_args> kernel;
  int64_t rows;
  int64_t columns;
};

// Of one row the work is reading codes: a thread has 128 bytes of them under way, half of that with 4
// bits. Of more rows each code serves eight.
inline constexpr CodeGemmKernel kCodeGemmInt8Row{
    {"code_gemm", "code_gemm_int8_row_kernel", kCodeThreads}, 1, 16};
inline constexpr CodeGemmKernel kCodeGemmInt8Rows{
    {"code_gemm", "code_gemm_int8_rows_kernel", kCodeThreads}, 8, 32};
inline constexpr CodeGemmKernel kCodeGemmInt4Row{
    {"code_gemm", "code_gemm_int4_row_kernel", kCodeThreads}, 1, 16};
inline constexpr CodeGemmKernel kCodeGemmInt4Rows{
    {"code_gemm", "code_gemm_int4_rows_kernel", kCodeThreads}, 8, 32};

}  // namespace namp::cuda
