// The GPUs that the report predicts for: NVIDIA's published figures, and what follows from them.
#pragma once

#include <string>

namespace gpu_report {

struct Gpu {
  const char* name;
  const char* source;
  double bytes_per_second;
  double multiprocessors;
  double clock;       // Hz, the one that the published FP32 peak stands for
  double fp32_lanes;  // of a multiprocessor, results a clock
  double fp64_lanes;
  double int32_lanes;
  int compute;                 // 80: 8.0
  double tensor_flops;         // of float16 and bfloat16, dense
  double l2_bytes_per_second;  // an assumption where the source names no figure of NVIDIA's
  // Shares of tensor_flops that are reached: by mma.sync with nothing else to do, and by cuBLAS at the sizes of a step.
  double mma_share;
  double cublas_share;
};

// All have four warp schedulers a multiprocessor, each of which issues one instruction of 32
// threads a clock, and 32 banks of shared memory of four bytes each.
inline constexpr double kIssueLanes = 4 * 32;
inline constexpr double kSharedBytesAClock = 32 * 4;

inline constexpr Gpu kGpus[] = {
    {"A100-SXM4-80GB",
     "NVIDIA A100 Tensor Core GPU data sheet, column A100 80GB SXM: 2,039 GB/s, FP32 19.5 TFLOPS, "
     "FP16 and BF16 "
     "Tensor Core 312; NVIDIA A100 Tensor Core GPU Architecture white paper: 108 SMs of 64 FP32, "
     "32 FP64 and 64 INT32 "
     "units, boost 1410 MHz, L2 reads 5,120 bytes a clock. Assumed: cuBLAS at 0.8 of the Tensor "
     "Cores' peak",
     2039e9, 108, 1.41e9, 64, 32, 64, 80, 312e12, 5120 * 1.41e9, 1.0, 0.8},
    {"H100-SXM5-80GB",
     "NVIDIA H100 Tensor Core GPU data sheet, column H100 SXM: 3.35 TB/s, FP32 67 TFLOPS, FP16 and "
     "BF16 Tensor Core "
     "1,979 with sparsity; NVIDIA H100 Tensor Core GPU Architecture white paper: 132 SMs of 128 "
     "FP32, 64 FP64 and 64 "
     "INT32 units; 67e12 / (2 * 132 * 128) is 1.98 GHz. mma.sync at 0.62 of the Tensor Cores' "
     "peak: Luo et al., "
     "\"Benchmarking and Dissecting the Nvidia Hopper GPU Architecture\", 2024. cuBLAS at 0.64: "
     "measured, docs/h100.md. "
     "Assumed: L2 at 5.5 TB/s",
     3350e9, 132, 1.98e9, 128, 64, 64, 90, 989.4e12, 5.5e12, 0.62, 0.64},
    {"H200-SXM-141GB",
     "NVIDIA H200 Tensor Core GPU data sheet, column H200 SXM: 4.8 TB/s, FP32 67 TFLOPS; "
     "all else as H100 SXM",
     4800e9, 132, 1.98e9, 128, 64, 64, 90, 989.4e12, 5.5e12, 0.62, 0.64},
    {"L4",
     "NVIDIA L4 Tensor Core GPU data sheet: 300 GB/s, FP32 30.3 TFLOPS, FP16 and BF16 Tensor Core "
     "242 with sparsity; "
     "NVIDIA Ada GPU Architecture white paper: SMs of 128 FP32, 2 FP64 and 64 INT32 units; 7,424 "
     "FP32 units are 58 "
     "SMs, and 30.3e12 / (2 * 7,424) is 2.04 GHz. Assumed: L2 at 2.5 TB/s, cuBLAS at 0.8, and that "
     "72 W allow that "
     "clock, which they do not for long",
     300e9, 58, 2.04e9, 128, 2, 64, 89, 121e12, 2.5e12, 1.0, 0.8},
};

}  // namespace gpu_report
