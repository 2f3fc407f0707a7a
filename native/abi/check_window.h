// The checks of a window that slides along one dimension.
#pragma once

#include "window.h"

namespace namp {

// Checks the sizes, and that the window fits into the padded input at least once. Returns
// window_out. name is the dimension's.
int64_t check_window(const Window& window, const char* name);

}  // namespace namp
