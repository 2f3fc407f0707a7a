// The kernels' machine code, made and read by NVIDIA's own tools, where they are at hand. They are
// looked for in a folder that is named, on PATH, in CUDA_PATH/bin and CUDA_HOME/bin, and in
// /usr/local/cuda/bin.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "sass_facts.h"

namespace gpu_report {

struct SassReport {
  SassTable facts;
  std::vector<std::string> notes;  // which tools were found, what failed
};

inline const std::vector<std::string> kArchitectures = {"sm_75", "sm_80",  "sm_86", "sm_89",
                                                        "sm_90", "sm_100", "sm_120"};

// Assembles a folder's PTX of the project's kernels for each architecture from its own target on:
// that whose own target is `from` or newer.
SassReport read_machine_code(const std::filesystem::path& images,
                             const std::filesystem::path& tools = {},
                             const std::vector<std::string>& architectures = kArchitectures,
                             const std::string& from = kArchitectures.front());

}  // namespace gpu_report
