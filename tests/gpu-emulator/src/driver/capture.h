// A stream's work while it is captured: nodes of a graph instead of a queue, and the calls that the
// programming guide forbids meanwhile. Other streams enter a capture by waiting for an event of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "driver/cuda_api.h"

namespace nampemu {

class Emulator;
struct Event;
struct Stream;

// One piece of a graph's work, and the nodes that come before it. A node comes behind those that it
// depends on.
struct GraphNode {
  std::vector<size_t> after;
  std::function<void()> run;  // a copy of it does the work, any number of times
};
using GraphNodes = std::vector<GraphNode>;

struct Capture {
  Stream* origin = nullptr;
  int mode = 0;  // CUstreamCaptureMode: 0 global, 1 of the thread, 2 relaxed
  std::thread::id thread;
  bool is_valid = true;
  bool is_over = false;
  std::set<Stream*> streams;
  GraphNodes nodes;
};

// The place of a stream or an event in a capture: the nodes that what comes next depends on.
struct CapturePlace {
  std::shared_ptr<Capture> capture;  // null: none
  std::vector<size_t> tips;

  bool is_active() const { return capture != nullptr && !capture->is_over; }
};

// CUDA_SUCCESS, or why a call that the driver's documentation calls unsafe during a capture, or that
// waits for the context, is not permitted now; it ends the captures that forbid it.
CUresult check_unsafe_call(Emulator& e, const char* name);
// The same for work that is put on a stream: a capture that is broken, or one that the legacy stream
// would have to wait for.
CUresult check_captured_stream(Emulator& e, CUstream stream);
// For calls that ask or wait for a stream.
CUresult check_not_captured(const Stream* stream);

// Makes a wait on a stream for an event part of a capture, where either is of one: then `done`.
CUresult wait_in_capture(Emulator& e, CUstream handle, const Event& event, bool& done);

void put_in_capture(Stream& stream, std::function<void()> run);
// A stream that goes breaks the capture that it is in.
void leave_capture(Stream& stream);

// Does all nodes. Of those that nothing orders, the youngest first: the other way round than they were
// asked for.
void run_nodes(const GraphNodes& nodes);

}  // namespace nampemu
