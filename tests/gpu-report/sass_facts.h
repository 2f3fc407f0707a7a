// What NVIDIA's own tools say of the kernels, where they are at hand: machine registers, spills,
// machine instructions. The tools are looked for on PATH and in CUDA_PATH/bin, CUDA_HOME/bin and
// /usr/local/cuda/bin.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace gpu_report {

struct SassFacts {
  std::string architecture;  // sm_90
  std::string kernel;
  int registers = -1;     // of a thread; -1: the tool did not say
  int spill_stores = -1;  // bytes; ptxas alone says
  int spill_loads = -1;
  int stack_bytes = -1;
  int shared_bytes = -1;
  int local_bytes = -1;  // cuobjdump alone says
  int instructions = 0;  // in the code, not executed
  // Instructions of global memory by width in bytes (1, 2, 4, 8, 16), and of local memory, which
  // are spills.
  int loads[5] = {};
  int stores[5] = {};
  int local_accesses = 0;
};

using SassTable =
    std::map<std::pair<std::string, std::string>, SassFacts>;  // by architecture and kernel

// Reads what the tools print. Text that is not understood is passed over.
void read_ptxas(std::string_view text, SassTable& facts);  // ptxas -v
// cuobjdump -res-usage; of one cubin it may not say for what, which is then this.
void read_resource_usage(std::string_view text, SassTable& facts, std::string architecture = "");
void read_sass(std::string_view text, SassTable& facts);  // cuobjdump -sass

struct SassReport {
  SassTable facts;
  std::vector<std::string> notes;  // which tools were found, what failed
};

// The images of a folder: .ptx is assembled for each architecture, .fatbin is taken as it is.
SassReport read_machine_code(const std::filesystem::path& images);

}  // namespace gpu_report
