#include "abi/check_window.h"

#include <string>

#include "abi/check.h"

namespace namp {
namespace {

// Sizes of windows are below this, so that no sum or product of two of them overflows.
constexpr int64_t kMaxWindow = int64_t{1} << 30;

}  // namespace

int64_t check_window(const Window& window, const char* name) {
  const std::string text(name);
  check_range(window.in, 1, kMaxWindow, ("the input's " + text).c_str());
  check_range(window.kernel, 1, kMaxWindow, ("the kernel's " + text).c_str());
  check_range(window.stride, 1, kMaxWindow, ("the stride along the " + text).c_str());
  check_range(window.pad, 0, kMaxWindow, ("the padding along the " + text).c_str());
  check_range(window.dilation, 1, kMaxWindow, ("the dilation along the " + text).c_str());
  const int64_t reach = window.dilation * (window.kernel - 1) + 1;
  const int64_t padded = window.in + 2 * window.pad;
  if (reach > padded) {
    fail(NAMP_ERROR_INVALID_ARGUMENT, "The kernel reaches over " + std::to_string(reach) +
                                          " elements along the " + text +
                                          ", and the padded input has " + std::to_string(padded) +
                                          "; use a smaller kernel or dilation, or more padding.");
  }
  return window_out(window);
}

}  // namespace namp
