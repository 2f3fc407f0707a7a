// cuBLAS's general products, of which C++ sees two each: those that the library exports.
#pragma once

#include <cublas_v2.h>

using GemmEx = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int,
                                  int, const void*, const void*, cudaDataType, int, const void*,
                                  cudaDataType, int, const void*, void*, cudaDataType, int,
                                  cublasComputeType_t, cublasGemmAlgo_t);
using GemmStridedBatchedEx = cublasStatus_t (*)(
    cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void*, const void*,
    cudaDataType, int, long long int, const void*, cudaDataType, int, long long int, const void*,
    void*, cudaDataType, int, long long int, int, cublasComputeType_t, cublasGemmAlgo_t);

// Does not compile where NVIDIA has no such function.
inline constexpr GemmEx kGemmEx = &::cublasGemmEx;
inline constexpr GemmStridedBatchedEx kGemmStridedBatchedEx = &::cublasGemmStridedBatchedEx;
