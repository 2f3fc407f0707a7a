// The CPU quota of this process's control groups, as of a container.
#pragma once

#include <string>

namespace namp {

// The quota in processors, such as 1.5; 0 if there is none (or none that can be read). It is the
// smallest of the process's group and those above it, by version 2 (cpu.max) or 1
// (cpu.cfs_quota_us). root is the folder of /proc and /sys, for tests.
double cpu_quota(const std::string& root = "");

}  // namespace namp
