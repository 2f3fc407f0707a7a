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

// Of all that is embedded in the library; none where that is machine code (nvcc).
std::vector<PtxFacts> read_embedded_kernels();

}  // namespace gpu_report
