#include "driver/capture.h"

#include <algorithm>
#include <queue>
#include <string_view>

#include "driver/emulator.h"

using namespace nampemu;

namespace nampemu {
namespace {

// Of the thread; CU_STREAM_CAPTURE_MODE_GLOBAL at first.
thread_local int thread_mode = 0;

constexpr std::string_view kUnsafe[] = {
    "cuMemAlloc",     "cuMemFree",         "cuMemAllocHost",      "cuMemHostAlloc",
    "cuMemFreeHost",  "cuMemHostRegister", "cuMemHostUnregister", "cuMemcpy",
    "cuMemcpyHtoD",   "cuMemcpyDtoH",      "cuMemcpyDtoD",        "cuEventQuery",
    "cuModuleUnload", "cuModuleLoadData",  "cuModuleLoadDataEx",  "cuCtxSynchronize"};

std::vector<Capture*> active_captures(Emulator& e) {
  std::vector<Capture*> captures;
  e.queue.each([&](const Stream& stream) {
    Capture* capture = stream.captured.capture.get();
    if (capture != nullptr && capture->origin == &stream) captures.push_back(capture);
  });
  return captures;
}

// Whether the thread may not make unsafe calls because of a capture (cuThreadExchangeStreamCaptureMode).
bool forbids(const Capture& capture) {
  if (thread_mode == 2 || capture.mode == 2) return false;
  if (capture.thread == std::this_thread::get_id()) return true;
  return thread_mode == 0 && capture.mode == 0;
}

CUresult end(Stream& stream, std::unique_ptr<Graph>& graph) {
  const std::shared_ptr<Capture> capture = stream.captured.capture;
  if (capture == nullptr) return CUDA_ERROR_ILLEGAL_STATE;
  if (capture->origin != &stream) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (capture->mode != 2 && capture->thread != std::this_thread::get_id())
    return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  // What the origin's tips are, or come after.
  std::vector<bool> joined(capture->nodes.size());
  for (const size_t tip : stream.captured.tips)
    joined[tip] = true;
  for (size_t node = joined.size(); node-- > 0;) {
    if (!joined[node]) continue;
    for (const size_t before : capture->nodes[node].after)
      joined[before] = true;
  }
  const bool all = std::all_of(capture->streams.begin(), capture->streams.end(), [&](Stream* s) {
    return std::all_of(s->captured.tips.begin(), s->captured.tips.end(),
                       [&](size_t tip) { return joined[tip]; });
  });
  capture->is_over = true;
  for (Stream* each : capture->streams)
    each->captured = {};
  if (!capture->is_valid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!all) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  graph = std::make_unique<Graph>();
  graph->context = Emulator::current()->id;
  graph->nodes = std::make_shared<const GraphNodes>(std::move(capture->nodes));
  return CUDA_SUCCESS;
}

}  // namespace

CUresult check_unsafe_call(Emulator& e, const char* name) {
  if (std::find(std::begin(kUnsafe), std::end(kUnsafe), name) == std::end(kUnsafe))
    return CUDA_SUCCESS;
  const bool waits_for_all = std::string_view(name) == "cuCtxSynchronize";
  CUresult result = CUDA_SUCCESS;
  for (Capture* capture : active_captures(e)) {
    if (!waits_for_all && !forbids(*capture)) continue;
    capture->is_valid = false;
    result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  return result;
}

CUresult check_captured_stream(Emulator& e, CUstream handle) {
  const Stream* stream = e.queue.find(handle);
  if (stream != nullptr) {
    return stream->captured.is_active() && !stream->captured.capture->is_valid
               ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
               : CUDA_SUCCESS;
  }
  // The legacy stream, and the thread's, which waits for it.
  for (Capture* capture : active_captures(e)) {
    const auto waits = [&](const Stream* each) {
      return (each->flags & 1) == 0 && each->context == Emulator::current()->id;
    };
    if (std::none_of(capture->streams.begin(), capture->streams.end(), waits)) continue;
    capture->is_valid = false;
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  return CUDA_SUCCESS;
}

CUresult check_not_captured(const Stream* stream) {
  if (stream == nullptr || !stream->captured.is_active()) return CUDA_SUCCESS;
  stream->captured.capture->is_valid = false;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult wait_in_capture(Emulator& e, CUstream handle, const Event& event, bool& done) {
  Stream* stream = e.queue.find(handle);
  const bool captures = stream != nullptr && stream->captured.is_active();
  const CapturePlace& place = event.captured;
  done = captures || place.capture != nullptr;
  if (!done) return CUDA_SUCCESS;
  if (place.capture == nullptr) {
    if (!event.recorded) return CUDA_SUCCESS;
    stream->captured.capture->is_valid = false;
    return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  }
  if (!place.is_active()) return CUDA_ERROR_CAPTURED_EVENT;
  if (stream == nullptr) {
    place.capture->is_valid = false;
    return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
  }
  if (!place.capture->is_valid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!captures) {
    stream->captured = place;
    place.capture->streams.insert(stream);
    return CUDA_SUCCESS;
  }
  if (stream->captured.capture != place.capture) {
    stream->captured.capture->is_valid = false;
    place.capture->is_valid = false;
    return CUDA_ERROR_STREAM_CAPTURE_MERGE;
  }
  std::vector<size_t>& tips = stream->captured.tips;
  for (const size_t tip : place.tips)
    if (std::find(tips.begin(), tips.end(), tip) == tips.end()) tips.push_back(tip);
  return CUDA_SUCCESS;
}

void put_in_capture(Stream& stream, std::function<void()> run) {
  GraphNodes& nodes = stream.captured.capture->nodes;
  nodes.push_back({stream.captured.tips, std::move(run)});
  stream.captured.tips = {nodes.size() - 1};
}

void leave_capture(Stream& stream) {
  const std::shared_ptr<Capture> capture = stream.captured.capture;
  if (capture == nullptr) return;
  capture->is_valid = false;
  capture->streams.erase(&stream);
  if (capture->origin != &stream) return;
  capture->is_over = true;
  for (Stream* each : capture->streams)
    each->captured = {};
}

void run_nodes(const GraphNodes& nodes) {
  std::vector<size_t> missing(nodes.size());
  std::vector<std::vector<size_t>> followers(nodes.size());
  std::priority_queue<size_t> ready;
  for (size_t node = 0; node < nodes.size(); ++node) {
    missing[node] = nodes[node].after.size();
    for (const size_t before : nodes[node].after)
      followers[before].push_back(node);
    if (missing[node] == 0) ready.push(node);
  }
  while (!ready.empty()) {
    const size_t node = ready.top();
    ready.pop();
    // As between any two pieces of work: after a fault nothing is done any more.
    if (Emulator::current()->sticky != CUDA_SUCCESS) return;
    auto once = nodes[node].run;
    once();
    for (const size_t next : followers[node])
      if (--missing[next] == 0) ready.push(next);
  }
}

}  // namespace nampemu

NAMPEMU_API CUresult cuStreamBeginCapture_v2(CUstream handle, int mode) {
  return api("cuStreamBeginCapture", Needs::context, [=](Emulator& e) {
    if (mode < 0 || mode > 2) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_stream(e, "cuStreamBeginCapture", handle)) return bad;
    Stream* stream = e.queue.find(handle);
    if (stream == nullptr) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;  // legacy
    if (stream->captured.is_active()) return CUDA_ERROR_ILLEGAL_STATE;
    auto capture = std::make_shared<Capture>();
    capture->origin = stream;
    capture->mode = mode;
    capture->thread = std::this_thread::get_id();
    capture->streams.insert(stream);
    stream->captured = {std::move(capture), {}};
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  return api("cuStreamEndCapture", Needs::context, [=](Emulator& e) {
    if (graph == nullptr) return CUDA_ERROR_INVALID_VALUE;
    Stream* stream = e.queue.find(handle);
    if (stream == nullptr) {
      return bad_argument(e, "cuStreamEndCapture", "the stream isn't a live one of the caller's",
                          CUDA_ERROR_INVALID_HANDLE);
    }
    *graph = nullptr;
    std::unique_ptr<Graph> made;
    const CUresult result = end(*stream, made);
    if (made == nullptr) return result;
    Graph* key = made.get();
    e.graphs[key] = std::move(made);
    *graph = reinterpret_cast<CUgraph>(key);
    return CUDA_SUCCESS;
  });
}
// Numbers of CUstreamCaptureStatus.
NAMPEMU_API CUresult cuStreamIsCapturing(CUstream handle, int* status) {
  return api("cuStreamIsCapturing", Needs::context, [=](Emulator& e) {
    if (status == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const Stream* stream = e.queue.find(handle);
    if (stream == nullptr) {
      *status = 0;
      return check_captured_stream(e, handle);
    }
    *status = !stream->captured.is_active() ? 0 : stream->captured.capture->is_valid ? 1 : 2;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuThreadExchangeStreamCaptureMode(int* mode) {
  return api("cuThreadExchangeStreamCaptureMode", Needs::driver, [=](Emulator&) {
    if (mode == nullptr || *mode < 0 || *mode > 2) return CUDA_ERROR_INVALID_VALUE;
    std::swap(*mode, thread_mode);
    return CUDA_SUCCESS;
  });
}
