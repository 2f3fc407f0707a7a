// Checks of whole ranges of device memory, for copies, fills and the stand-in cuBLAS.
#pragma once

#include <string>

#include "driver/emulator.h"

namespace nampemu {

// The live region that holds the range, whichever device's it is; null for none.
Region* find_range(Emulator& e, uint64_t address, uint64_t bytes);

// The same on the current context's device; null after a finding. verb: what who does there.
Region* check_range(Emulator& e, const std::string& who, uint64_t address, uint64_t bytes,
                    const char* verb);
// A finding when a byte was never written. True when all were.
bool report_unwritten(Emulator& e, const std::string& who, const Region& region, uint64_t address,
                      uint64_t bytes);

}  // namespace nampemu
