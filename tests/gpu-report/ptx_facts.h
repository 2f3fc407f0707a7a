// What the text of the embedded kernels says, without running it.
#pragma once

#include <string>
#include <vector>

#include "nampemu.h"

namespace gpu_report {

struct PtxFacts {
  std::string image;  // the .cu file
  nampemu_kernel_facts kernel;
};

// Of the PTX that is embedded in the library; none where there is machine code alone (nvcc, without clang).
std::vector<PtxFacts> read_embedded_kernels();

}  // namespace gpu_report
