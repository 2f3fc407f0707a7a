// The time of a launch, from counts and published peaks. What it assumes is a constant here or a field of a GPU, and is printed with the tables.
#pragma once

#include <string>

#include "gpus.h"
#include "record.h"

namespace gpu_report {

// Of the published bandwidth, what the driver's copy reaches on an H100 (docs/h100.md); assumed for all.
inline constexpr double kCopyShare = 0.9;
// Of the schedulers' issue slots, what a kernel fills that is limited by them: half on an H100 (docs/gpu-report.md, "Against an H100"); assumed for all.
inline constexpr double kIssueShare = 0.5;
// Between the end of a launch of a graph and the start of the next. An assumption.
inline constexpr double kLaunchSeconds = 2e-6;
// Clocks from an instruction to one of the same warp that needs its result. An assumption: the least that is known of arithmetic since Volta.
inline constexpr double kDependentClocks = 4;

// What a launch takes by each of its limits alone, in seconds.
struct LaunchTime {
  double memory = 0;  // bytes that it has to move, at the copy's share of the bandwidth
  double cache = 0;   // bytes that it asks for, from the second-level cache
  double lines =
      0;  // lines that its warps' loads and stores touch, one a clock of a multiprocessor
  double shared = 0;   // bytes and conflicts of shared memory
  double issue = 0;    // instructions, and the units that execute them
  double tensor = 0;   // products
  double longest = 0;  // its longest warp, alone
  // The largest of them, and the launch.
  double total() const;
  const char* limit() const;
};

LaunchTime time_of(const Gpu& gpu, const Launch& launch);
// Bytes of memory that a launch has to move: what it reaches or asks for, whichever is less; what it asks for where it finds its tensors in a table.
double needed_bytes(const Launch& launch);
double operations(const Launch& launch);

// Products at the published peak or bytes at the published bandwidth, whichever is longer.
double floor_seconds(const Gpu& gpu, double operations, double bytes);
// The same at the shares of them that cuBLAS and a copy reach.
double reached_seconds(const Gpu& gpu, double operations, double bytes);

// Launches of kernels that differ in sizes and dtypes alone have one name.
std::string family_of(const Launch& launch);

}  // namespace gpu_report
