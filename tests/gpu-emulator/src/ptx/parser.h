// PTX text to Syntax.
#pragma once

#include <string_view>

#include "ptx/syntax.h"

namespace nampemu {

// Throws PtxError, with the line, for whatever it doesn't know.
Syntax parse_ptx(std::string_view source);

}  // namespace nampemu
