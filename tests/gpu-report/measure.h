// Runs a workload on the emulated GPU and takes down what each of its kernels did.
#pragma once

#include <string>
#include <vector>

#include "gpus.h"
#include "workloads.h"

namespace gpu_report {

// One kernel of one workload. Figures are per element of the workload's unit.
struct Measured {
  std::string workload;
  std::string unit;
  std::string kernel;
  bool optimizer_path = false;
  double elements = 0;
  double needed_bytes = 0;  // of the workload, on the kernel that moves most; 0 on others
  uint64_t launches = 0;
  double loaded = 0;  // bytes of global memory, as threads asked for them
  double stored = 0;
  double atomic = 0;
  double by_width[5] = {};  // bytes in accesses of 1, 2, 4, 8 and 16 bytes
  double load_sectors = 0;  // of 32 bytes, as warps asked for them
  double store_sectors = 0;
  double shared = 0;          // bytes of shared memory
  double bank_conflicts = 0;  // turns of shared memory beyond the least
  double local = 0;
  double instructions = 0;  // PTX instructions that threads executed
  double by_class[10] = {};
  double warp_instructions = 0;

  double moved() const { return loaded + stored + atomic; }
  // Shares, 0 to 1.
  double wide_share() const { return moved() > 0 ? by_width[4] / moved() : 0; }
  double load_efficiency() const { return load_sectors > 0 ? loaded / (32 * load_sectors) : 0; }
  double store_efficiency() const { return store_sectors > 0 ? stored / (32 * store_sectors) : 0; }
};

// Kernels in the order of the table; kernel_names are all that there are.
std::vector<Measured> measure(EmulatedGpu& gpu, const Workload& workload,
                              const std::vector<std::string>& kernel_names);

// ---- Prediction ----

// Seconds for a number of elements if memory were all: bytes / published bandwidth. No kernel is
// faster.
double memory_seconds(const Gpu& gpu, double bytes_per_element, double elements);

// Clocks of a multiprocessor for PTX instructions by class: of its busiest schedulers or units, each at full speed. See the .cpp for what an instruction
// counts as.
double arithmetic_clocks(const Gpu& gpu, const double (&by_class)[10]);

// Seconds if arithmetic were all, estimated from PTX: the busiest of the schedulers and the units.
double arithmetic_seconds(const Gpu& gpu, const Measured& measured, double elements);

}  // namespace gpu_report
