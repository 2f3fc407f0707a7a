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
};

// All have four warp schedulers a multiprocessor, each of which issues one instruction of 32
// threads a clock.
inline constexpr double kIssueLanes = 4 * 32;

inline constexpr Gpu kGpus[] = {
    {"A100-SXM4-80GB",
     "NVIDIA A100 Tensor Core GPU data sheet, column A100 80GB SXM: 2,039 GB/s, FP32 19.5 TFLOPS; "
     "NVIDIA A100 Tensor "
     "Core GPU Architecture white paper: 108 SMs of 64 FP32, 32 FP64 and 64 INT32 units, boost "
     "1410 MHz",
     2039e9, 108, 1.41e9, 64, 32, 64},
    {"H100-SXM5-80GB",
     "NVIDIA H100 Tensor Core GPU data sheet, column H100 SXM: 3.35 TB/s, FP32 67 TFLOPS; NVIDIA "
     "H100 Tensor Core GPU "
     "Architecture white paper: 132 SMs of 128 FP32, 64 FP64 and 64 INT32 units; 67e12 / (2 * 132 "
     "* 128) is 1.98 GHz",
     3350e9, 132, 1.98e9, 128, 64, 64},
    {"H200-SXM-141GB",
     "NVIDIA H200 Tensor Core GPU data sheet, column H200 SXM: 4.8 TB/s, FP32 67 TFLOPS; "
     "multiprocessors as H100 SXM",
     4800e9, 132, 1.98e9, 128, 64, 64},
};

}  // namespace gpu_report
