// The class of work of a statement, for the counters.
#pragma once

#include "nampemu.h"
#include "ptx/syntax.h"

namespace nampemu {

nampemu_class classify(const Statement& statement);

}  // namespace nampemu
