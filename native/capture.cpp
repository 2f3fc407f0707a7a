#include "capture.h"

#include "error.h"

namespace namp {
namespace {

thread_local Capture* current = nullptr;

}  // namespace

Capture* current_capture() noexcept { return current; }

void set_current_capture(Capture* capture) noexcept { current = capture; }

void refuse_capture(const std::string& what) {
  if (current == nullptr) return;
  const std::string message = "A graph cannot be captured: " + what;
  if (current->refusal.empty()) current->refusal = message;
  throw Error(NAMP_ERROR_CAPTURE, message);
}

}  // namespace namp
