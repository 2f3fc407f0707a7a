// Streams and events. A query that finds work pending lets it catch up, for time passes: it says
// done, and only what waits for nothing is late.
#include "driver/emulator.h"

using namespace nampemu;

namespace {

Event* unwrap(Emulator& e, CUevent event) {
  const auto found = e.events.find(reinterpret_cast<Event*>(event));
  return found == e.events.end() ? nullptr : found->first;
}

CUresult no_event(Emulator& e, const char* name) {
  return bad_argument(e, name, "the event isn't a live one", CUDA_ERROR_INVALID_HANDLE);
}

// An event of a capture stands for no moment; asking for one breaks the capture.
CUresult check_event(const Event& event) {
  if (event.captured.capture == nullptr) return CUDA_SUCCESS;
  event.captured.capture->is_valid = false;
  return CUDA_ERROR_CAPTURED_EVENT;
}

CUresult create_stream(const char* name, CUstream* stream, unsigned flags, int priority) {
  return api(name, Needs::context, [=](Emulator& e) {
    if (stream == nullptr || flags > 1) return CUDA_ERROR_INVALID_VALUE;
    return e.queue.create(stream, flags, priority);
  });
}

}  // namespace

NAMPEMU_API CUresult cuStreamCreate(CUstream* stream, unsigned flags) {
  return create_stream("cuStreamCreate", stream, flags, 0);
}
NAMPEMU_API CUresult cuStreamCreateWithPriority(CUstream* stream, unsigned flags, int priority) {
  return create_stream("cuStreamCreateWithPriority", stream, flags, priority);
}
NAMPEMU_API CUresult cuStreamDestroy_v2(CUstream stream) {
  return api("cuStreamDestroy", Needs::context, [=](Emulator& e) {
    if (!e.queue.destroy(stream)) {
      return bad_argument(e, "cuStreamDestroy", "the stream isn't a live one",
                          CUDA_ERROR_INVALID_HANDLE);
    }
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuStreamSynchronize(CUstream stream) {
  return api("cuStreamSynchronize", Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, "cuStreamSynchronize", stream)) return bad;
    if (const CUresult bad = check_not_captured(e.queue.find(stream))) return bad;
    ++e.counters.host_waits;
    return e.queue.finish(stream);
  });
}
NAMPEMU_API CUresult cuStreamQuery(CUstream stream) {
  return api("cuStreamQuery", Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, "cuStreamQuery", stream)) return bad;
    if (const CUresult bad = check_not_captured(e.queue.find(stream))) return bad;
    return e.queue.finish(stream);
  });
}
NAMPEMU_API CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  return api("cuStreamWaitEvent", Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, "cuStreamWaitEvent", stream)) return bad;
    const Event* found = unwrap(e, event);
    if (found == nullptr) return no_event(e, "cuStreamWaitEvent");
    bool done = false;
    if (const CUresult bad = wait_in_capture(e, stream, *found, done)) return bad;
    if (found->recorded && !done) e.queue.put(stream, [] {}, {found->place});
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuStreamGetFlags(CUstream stream, unsigned* flags) {
  return api("cuStreamGetFlags", Needs::context, [=](Emulator& e) {
    if (flags == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_stream(e, "cuStreamGetFlags", stream)) return bad;
    const Stream* found = e.queue.find(stream);
    *flags = found != nullptr ? found->flags : 0;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuStreamGetPriority(CUstream stream, int* priority) {
  return api("cuStreamGetPriority", Needs::context, [=](Emulator& e) {
    if (priority == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_stream(e, "cuStreamGetPriority", stream)) return bad;
    const Stream* found = e.queue.find(stream);
    *priority = found != nullptr ? found->priority : 0;
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuStreamGetCtx(CUstream stream, CUcontext* context) {
  return api("cuStreamGetCtx", Needs::context, [=](Emulator& e) {
    if (context == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_stream(e, "cuStreamGetCtx", stream)) return bad;
    *context = reinterpret_cast<CUcontext>(Emulator::current());
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuLaunchHostFunc(CUstream stream, void (*function)(void*), void* data) {
  return api("cuLaunchHostFunc", Needs::context, [=](Emulator& e) {
    if (function == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_stream(e, "cuLaunchHostFunc", stream)) return bad;
    // As on a thread of the driver's own: others may use the driver meanwhile.
    e.queue.put(stream, [&e, function, data] {
      e.mutex.unlock();
      function(data);
      e.mutex.lock();
    });
    return CUDA_SUCCESS;
  });
}

NAMPEMU_API CUresult cuEventCreate(CUevent* event, unsigned flags) {
  return api("cuEventCreate", Needs::context, [=](Emulator& e) {
    if (event == nullptr || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    auto created = std::make_unique<Event>();
    created->context = Emulator::current()->id;
    created->timing = (flags & 2) == 0;
    *event = reinterpret_cast<CUevent>(created.get());
    Event* key = created.get();
    e.events[key] = std::move(created);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuEventDestroy_v2(CUevent event) {
  return api("cuEventDestroy", Needs::context, [=](Emulator& e) {
    return e.events.erase(reinterpret_cast<Event*>(event)) == 0 ? no_event(e, "cuEventDestroy")
                                                                : CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuEventRecord(CUevent event, CUstream stream) {
  return api("cuEventRecord", Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, "cuEventRecord", stream)) return bad;
    Event* found = unwrap(e, event);
    if (found == nullptr) return no_event(e, "cuEventRecord");
    found->recorded = true;
    const Stream* on = e.queue.find(stream);
    found->captured = on != nullptr ? on->captured : CapturePlace{};
    if (found->captured.is_active()) return CUDA_SUCCESS;
    found->place = e.queue.put(stream, [&e, event] {
      // It may be gone by then.
      if (Event* still = unwrap(e, event)) still->time = std::chrono::steady_clock::now();
    });
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuEventQuery(CUevent event) {
  return api("cuEventQuery", Needs::context, [=](Emulator& e) {
    const Event* found = unwrap(e, event);
    if (found == nullptr) return no_event(e, "cuEventQuery");
    if (const CUresult bad = check_event(*found)) return bad;
    return e.queue.finish(found->place);
  });
}
NAMPEMU_API CUresult cuEventSynchronize(CUevent event) {
  return api("cuEventSynchronize", Needs::context, [=](Emulator& e) {
    const Event* found = unwrap(e, event);
    if (found == nullptr) return no_event(e, "cuEventSynchronize");
    if (const CUresult bad = check_event(*found)) return bad;
    ++e.counters.host_waits;
    return e.queue.finish(found->place);
  });
}
namespace {

CUresult elapsed_time(float* milliseconds, CUevent from, CUevent to) {
  return api("cuEventElapsedTime", Needs::context, [=](Emulator& e) {
    const Event* a = unwrap(e, from);
    const Event* b = unwrap(e, to);
    if (a == nullptr || b == nullptr) return no_event(e, "cuEventElapsedTime");
    if (milliseconds == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = check_event(*a)) return bad;
    if (const CUresult bad = check_event(*b)) return bad;
    if (!a->recorded || !b->recorded || !a->timing || !b->timing) return CUDA_ERROR_INVALID_HANDLE;
    if (const CUresult failed = e.queue.finish(a->place)) return failed;
    if (const CUresult failed = e.queue.finish(b->place)) return failed;
    *milliseconds = std::chrono::duration<float, std::milli>(b->time - a->time).count();
    return CUDA_SUCCESS;
  });
}

}  // namespace

NAMPEMU_API CUresult cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to) {
  return elapsed_time(milliseconds, from, to);
}
NAMPEMU_API CUresult cuEventElapsedTime_v2(float* milliseconds, CUevent from, CUevent to) {
  return elapsed_time(milliseconds, from, to);
}
