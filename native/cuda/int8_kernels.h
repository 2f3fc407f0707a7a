// The kernels of products and convolutions of 8-bit integers: int8_gemm.cu, int8_gemm_sm80.cu,
// int8_conv2d.cu.
#pragma once

#include "cuda/gemm_kernels.h"

namespace namp::cuda {

struct Int8TileArgs {
  namp_int8_gemm_args call;
  TileGrid tiles;
};
struct Int8GemmKernel {
  Kernel<Int8TileArgs> kernel;
  int64_t tile;
};

// By 128 rows and columns, and by 64, as gemm_kernels.h's.
struct Int8Gemms {
  Int8GemmKernel wide;
  Int8GemmKernel narrow;
};

// Whether both operands can be read 16 bytes at a time; narrow tiles have those that can not.
constexpr bool are_int8_words(uintptr_t a, uintptr_t b, int64_t k) {
  return a % 16 == 0 && b % 16 == 0 && k % 16 == 0 && k <= INT32_MAX / kWideTile;
}

inline constexpr Int8Gemms kInt8GemmTuring{
    {{"int8_gemm", "int8_gemm_sm75_128_kernel", kWideTileThreads}, kWideTile},
    {{"int8_gemm", "int8_gemm_sm75_64_kernel", kNarrowTileThreads}, kNarrowTile}};
inline constexpr Int8Gemms kInt8Gemm{
    {{"int8_gemm_sm80", "int8_gemm_128_kernel", kWideTileThreads}, kWideTile},
    {{"int8_gemm_sm80", "int8_gemm_64_kernel", kNarrowTileThreads}, kNarrowTile}};

// A product of few rows: a warp has some columns of all of them.
inline constexpr int kInt8RowThreads = 128;
inline constexpr int kInt8FewRows = 4;
inline constexpr int kInt8WarpColumns = 2;
inline constexpr Kernel<namp_int8_gemm_args> kInt8GemmRows{"int8_gemm", "int8_gemm_rows_kernel",
                                                           kInt8RowThreads};

// A convolution: a thread has a position of some output channels of a group.
inline constexpr int kInt8ConvThreads = 128;
inline constexpr int kInt8ConvChannels = 8;
struct Int8ConvArgs {
  namp_int8_conv2d_args call;
  int64_t out_h;
  int64_t out_w;
  int64_t group_blocks;  // of kInt8ConvChannels output channels, of a group
};
inline constexpr Kernel<Int8ConvArgs> kInt8Conv2d{"int8_conv2d", "int8_conv2d_kernel",
                                                  kInt8ConvThreads};

}  // namespace namp::cuda
