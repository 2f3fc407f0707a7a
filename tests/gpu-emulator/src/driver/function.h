// Functions as launches and attributes need them.
#pragma once

#include "driver/emulator.h"

namespace nampemu {

// Null for a handle of no live module.
LoadedFunction* find_function(Emulator& e, CUfunction function);
CUresult no_function(Emulator& e, const char* name);
// Threads a block may have with this kernel.
uint32_t thread_limit(const Kernel& kernel);
// Blocks of a size that fit on a multiprocessor at once.
int blocks_per_multiprocessor(const Settings& settings, const LoadedFunction& function, int threads,
                              size_t dynamic_shared);
// Registers that a device could do with. Nobody allocates registers here: at most what lets 1024
// threads run.
int register_estimate(const Kernel& kernel);

}  // namespace nampemu
