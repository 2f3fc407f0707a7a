// Runs a launch: block after block, the warps of a block in turn.
#pragma once

#include "exec/block.h"

namespace nampemu {

// In what order blocks run. A kernel whose result depends on it has a bug that no device promises
// to show.
enum class BlockOrder : uint8_t { forward, reverse, shuffle };

// Throws LaunchFault, after reporting, when a device would have stopped the launch.
void run_launch(Launch& launch, BlockOrder order);

}  // namespace nampemu
