// How many processors' time the control groups of this process allow: what a container pays for.
#pragma once

#include <string>

namespace namp {

// Processors, such as 1.5; 0 where there is no quota (or none that can be read). The smallest of
// the process's group and those above it, by version 2 (cpu.max) or 1 (cpu.cfs_quota_us). root is
// where /proc and /sys are, for tests.
double cpu_quota(const std::string& root = "");

}  // namespace namp
