// Kernels from a parsed module: every entry with all that it calls, decoded.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "exec/instruction.h"
#include "ptx/decoder.h"
#include "ptx/syntax.h"

namespace nampemu {

// globals: the module's .global and .const variables with the addresses they were given. Throws
// PtxError.
std::vector<Kernel> decode_kernels(const Syntax& syntax,
                                   const std::map<std::string, Symbol>& globals);

}  // namespace nampemu
