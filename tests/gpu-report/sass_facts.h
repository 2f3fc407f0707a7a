// What NVIDIA's own tools say of the kernels, where they are at hand: machine registers, spills,
// machine instructions. The tools are looked for in a folder that is named, on PATH, in
// CUDA_PATH/bin and CUDA_HOME/bin, and in /usr/local/cuda/bin.
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
  int doubles = 0;  // instructions of float64, conversions among them
  // Instructions that take the bits of a float's absolute value, of which a GPU may have lost a
  // NaN's payload.
  int absolute_bits = 0;
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

inline const std::vector<std::string> kArchitectures = {"sm_75", "sm_80",  "sm_86", "sm_89",
                                                        "sm_90", "sm_100", "sm_120"};

// The share of a multiprocessor's threads that blocks of a kernel can fill, 0 to 1; -1 where the
// architecture or the registers are not known. threads: of a block.
double occupancy(const SassFacts& facts, int threads);

// The images of a folder: .ptx is assembled for each architecture from its own target on, .fatbin
// is taken as it is.
SassReport read_machine_code(const std::filesystem::path& images,
                             const std::filesystem::path& tools = {},
                             const std::vector<std::string>& architectures = kArchitectures);

}  // namespace gpu_report
