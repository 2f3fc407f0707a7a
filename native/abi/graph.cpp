// Graphs: work that is captured once and launched as a whole.
#include <memory>
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/graph_memory.h"
#include "abi/wall.h"
#include "capture.h"

struct namp_graph {
  namp_graph(namp_device& owner, namp_stream on) : device(owner), stream(on), memory(owner.pool) {
    device.graphs++;
  }
  namp_graph(const namp_graph&) = delete;
  namp_graph& operator=(const namp_graph&) = delete;
  ~namp_graph() {
    if (handle != nullptr) device.backend->destroy_graph(handle);
    device.graphs--;
  }

  namp_device& device;
  namp_stream stream;
  namp::GraphMemory memory;
  void* handle = nullptr;  // the backend's, once it was captured
};

namespace namp {
namespace {

// A capture with its graph.
struct Capturing : Capture {
  explicit Capturing(namp_device& device, namp_stream on)
      : graph(std::make_unique<namp_graph>(device, on)) {
    backend = device.backend.get();
    stream = on;
  }
  std::unique_ptr<namp_graph> graph;
};

Capturing& check_capturing(const namp_device& device) {
  auto* capture = static_cast<Capturing*>(current_capture());
  if (capture == nullptr || &capture->graph->device != &device) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         "This thread captures nothing on the device; call namp_graph_begin on it before.");
  }
  return *capture;
}

// Ends the thread's capture; gives it to the caller.
std::unique_ptr<Capturing> take(Capturing& capture) {
  set_current_capture(nullptr);
  set_current_graph_memory(nullptr);
  return std::unique_ptr<Capturing>(&capture);
}

namp_graph& check_graph(namp_graph* graph) {
  check_not_null(graph, "graph");
  check_process(graph->device);
  return *graph;
}

}  // namespace
}  // namespace namp

int32_t namp_graph_begin(namp_device* device, namp_stream stream) {
  return namp::wall([&] {
    namp_device& checked = namp::check_device(device);
    namp::refuse_capture("this thread captures another one. End that first, by namp_graph_end.");
    if (namp::profiling) {
      namp::fail(NAMP_ERROR_CAPTURE,
                 "A graph cannot be captured: while a profile is measured every call waits for its "
                 "work. Stop the profile before, by namp_profile_stop.");
    }
    auto capture = std::make_unique<namp::Capturing>(checked, stream);
    checked.backend->begin_capture(*capture);
    namp::set_current_graph_memory(&capture->graph->memory);
    namp::set_current_capture(capture.release());
  });
}

int32_t namp_graph_end(namp_graph** graph, namp_device* device) {
  return namp::wall([&] {
    namp::check_object(graph, "graph");
    namp_device& checked = namp::check_device(device);
    const auto capture = namp::take(namp::check_capturing(checked));
    void* handle = checked.backend->end_capture(*capture, capture->refusal.empty());
    if (!capture->refusal.empty()) namp::fail(NAMP_ERROR_CAPTURE, capture->refusal);
    capture->graph->handle = handle;
    *graph = capture->graph.release();
  });
}

int32_t namp_graph_cancel(namp_device* device) {
  return namp::wall([&] {
    namp_device& checked = namp::check_device(device);
    const auto capture = namp::take(namp::check_capturing(checked));
    checked.backend->end_capture(*capture, false);
  });
}

int32_t namp_graph_launch(namp_graph* graph) {
  return namp::wall([&] {
    namp_graph& checked = namp::check_graph(graph);
    const namp::DeviceUse use(checked.device);
    namp::refuse_capture("it would hold another graph. Launch that outside the capture.");
    checked.device.backend->launch_graph(checked.handle, checked.stream);
  });
}

int32_t namp_graph_destroy(namp_graph* graph) {
  return namp::wall([&] {
    if (graph != nullptr) delete &namp::check_graph(graph);
  });
}
