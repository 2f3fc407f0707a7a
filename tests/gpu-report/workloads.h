// The report's workloads: one call of the C interface each, at a size that stands for others.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "emulated_gpu.h"

namespace gpu_report {

using Call = std::function<int32_t()>;

inline double d(int64_t x) { return static_cast<double>(x); }

struct Workload {
  std::string name;     // as the table shows it
  const char* unit;     // what the figures are per
  int64_t elements;     // of that unit
  double needed_bytes;  // per element, with every input read once and every output written once
  bool optimizer_path;  // one of the four families: cast, losses and scale, unscale-and-check, Adam
  // Makes what the call needs, and gives the call.
  std::function<Call(EmulatedGpu&)> prepare;
  int compute = 80;  // the compute capability of the GPU
};

// At about this many elements; the expensive operators take a fraction of them.
std::vector<Workload> workloads(int64_t elements);

// Those of integer codes, which are among them.
std::vector<Workload> integer_workloads(int64_t elements);

}  // namespace gpu_report
