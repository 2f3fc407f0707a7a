// This machine, as the system describes it.
#pragma once

#include <cstdint>
#include <string>

namespace namp {

// The processor's name, or its architecture where nothing tells the name.
std::string processor_name();

struct MachineMemory {
  int64_t total = 0;
  int64_t available = 0;
};

// Bytes; zeros where the system is not one of those that are supported.
MachineMemory machine_memory();

}  // namespace namp
