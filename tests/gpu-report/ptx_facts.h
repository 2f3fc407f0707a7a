// Facts from the text of the embedded kernels, without running it.
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

// Instructions that take the bits of what abs.f32 or neg.f32 made, each as "line 7: mov.b32 …":
// PTX leaves open which NaN those give for a NaN (PTX ISA, abs and neg), so its payload is lost.
std::vector<std::string> find_bits_of_signs(const std::string& ptx);
// The same of all that is embedded, with the image's name.
std::vector<std::string> find_embedded_bits_of_signs();

}  // namespace gpu_report
