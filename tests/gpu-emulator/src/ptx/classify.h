// What class of work a statement is, for the counters.
#pragma once

#include "nampemu.h"
#include "ptx/syntax.h"

namespace nampemu {

nampemu_class classify(const Statement& statement);

}  // namespace nampemu
