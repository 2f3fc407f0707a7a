// NVIDIA's management library, found and started. What it is asked is the managed telemetry's.
#pragma once

#include "libraries/search.h"

namespace namp {

// Looks for it at each call. Each success is to be ended by nvmlShutdown.
LibraryFound start_nvml();

}  // namespace namp
