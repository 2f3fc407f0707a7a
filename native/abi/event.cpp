// Events.
#include <atomic>
#include <string>

#include "abi/check.h"
#include "abi/device.h"
#include "abi/wall.h"

struct namp_event {
  explicit namp_event(namp_device& owner) : device(owner), handle(owner.backend->create_event()) {
    device.events++;
  }
  namp_event(const namp_event&) = delete;
  namp_event& operator=(const namp_event&) = delete;
  ~namp_event() {
    device.backend->destroy_event(handle);
    device.events--;
  }

  namp_device& device;
  void* handle;
  std::atomic<bool> recorded{false};
  std::atomic<bool> captured{false};  // the last record: it stands for no moment
};

namespace namp {
namespace {

namp_event& check_event(namp_event* event, const char* name) {
  check_not_null(event, name);
  check_process(event->device);
  return *event;
}

namp_event& check_recorded(namp_event* event, const char* name) {
  check_event(event, name);
  if (!event->recorded) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         std::string(name) + " was not recorded; call namp_event_record before.");
  }
  if (event->captured) {
    fail(
        NAMP_ERROR_CAPTURE,
        std::string(name) +
            " was last recorded during a capture: it is part of a graph, and stands for no moment. "
            "Record it again, outside.");
  }
  return *event;
}

}  // namespace
}  // namespace namp

int32_t namp_event_create(namp_event** event, namp_device* device) {
  return namp::wall([&] {
    namp::check_object(event, "event");
    *event = new namp_event(namp::check_device(device));
  });
}

int32_t namp_event_destroy(namp_event* event) {
  return namp::wall([&] {
    if (event != nullptr) delete &namp::check_event(event, "event");
  });
}

int32_t namp_event_record(namp_event* event, namp_stream stream) {
  return namp::wall([&] {
    namp_event& checked = namp::check_event(event, "event");
    checked.device.backend->record_event(checked.handle, stream);
    checked.captured = namp::current_capture() != nullptr;
    checked.recorded = true;
  });
}

int32_t namp_stream_wait_event(namp_device* device, namp_stream stream, namp_event* event) {
  return namp::wall([&] {
    namp_device& checked = namp::check_device(device);
    const namp_event& waited = namp::check_event(event, "event");
    namp::require(&waited.device == &checked,
                  "event is of another device; wait on the host for it: namp_event_synchronize.");
    if (namp::current_capture() == nullptr && waited.recorded) namp::check_recorded(event, "event");
    if (waited.recorded) checked.backend->wait_event(stream, waited.handle);
  });
}

int32_t namp_event_query(int32_t* reached, namp_event* event) {
  return namp::wall([&] {
    namp::check_object(reached, "reached");
    const namp_event& checked = namp::check_recorded(event, "event");
    namp::refuse_capture(checked.device, "namp_event_query asks for work that is not done now.");
    *reached = checked.device.backend->query_event(checked.handle) ? 1 : 0;
  });
}

int32_t namp_event_synchronize(namp_event* event) {
  return namp::wall([&] {
    const namp_event& checked = namp::check_recorded(event, "event");
    namp::refuse_capture(checked.device,
                         "namp_event_synchronize waits for work that is not done now.");
    checked.device.backend->synchronize_event(checked.handle);
  });
}

int32_t namp_event_elapsed(double* seconds, namp_event* from, namp_event* to) {
  return namp::wall([&] {
    namp::check_object(seconds, "seconds");
    const namp_event& first = namp::check_recorded(from, "from");
    const namp_event& last = namp::check_recorded(to, "to");
    namp::require(&first.device == &last.device,
                  "from and to are events of two devices; time has no meaning between them.");
    namp::refuse_capture(first.device, "namp_event_elapsed waits for work that is not done now.");
    *seconds = first.device.backend->elapsed_seconds(first.handle, last.handle);
  });
}
