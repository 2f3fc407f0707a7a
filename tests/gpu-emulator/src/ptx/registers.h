// Places in a warp's register file. PTX has a register for every value that the compiler named; a kernel has thousands, of which a few hundred are in
// use at once. Those that never are share a place: a register file that fits the caches, and that a launch can fill.
#pragma once

#include <cstdint>
#include <vector>

#include "exec/instruction.h"

namespace nampemu {

// A register that an instruction reads or writes, by the offset that it was added with.
struct RegisterUse {
  uint32_t instruction = 0;  // in the kernel's code
  uint32_t offset = 0;
  bool writes = false;
};

// A register as it was added.
struct AddedRegister {
  uint32_t offset = 0;
  uint32_t bytes = 0;  // of all lanes
};

// Gives registers that are never in use at once the same place, and writes the places into the kernel's instructions. One that may be read before it was
// written keeps a place of its own, which begins as all registers do; so does one that several functions name. regions: where each function's code begins,
// ascending. Returns the bytes that registers take now.
uint32_t place_registers(Kernel& kernel, const std::vector<AddedRegister>& registers,
                         const std::vector<RegisterUse>& uses,
                         const std::vector<uint32_t>& regions);

}  // namespace nampemu
