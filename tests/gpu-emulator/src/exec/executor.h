// Runs a launch: block after block, the warps of a block in turn.
#pragma once

#include "exec/block.h"

namespace nampemu {

// Throws LaunchFault, after reporting, when a device would have stopped the launch.
void run_launch(Launch& launch);

}  // namespace nampemu
