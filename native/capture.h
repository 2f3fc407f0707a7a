// The capture that the calling thread has begun, of one stream of one device: the thread's work on that
// stream becomes part of a graph. Threads know nothing of each other's captures, and go on with the
// stream: captured work goes to a stream of the capture's own.
#pragma once

#include <string>

#include "nativeamp.h"

namespace namp {

class Backend;

struct Capture {
  const Backend* backend = nullptr;
  namp_stream stream = nullptr;   // the caller's
  void* driver_stream = nullptr;  // the one that is captured instead
  std::string refusal;            // of the first call that could not be captured
};

// The calling thread's; null for none.
Capture* current_capture() noexcept;
// Null ends it.
void set_current_capture(Capture* capture) noexcept;

// Fails with NAMP_ERROR_CAPTURE if the thread captures, whose capture then makes no graph. what says
// in a sentence why the call cannot be part of a graph, and perhaps how to avoid it.
void refuse_capture(const std::string& what);

}  // namespace namp
