// Events: all earlier work is done when a call is made, so the event's time is that of the call.
#include <atomic>
#include <chrono>

#include "cpu/cpu_backend.h"

namespace namp {
namespace {

using Clock = std::chrono::steady_clock;
// Atomic, for threads may share an event.
using Time = std::atomic<Clock::rep>;

}  // namespace

void* CpuBackend::create_event() { return new Time; }

void CpuBackend::destroy_event(void* event) { delete static_cast<Time*>(event); }

void CpuBackend::record_event(void* event, namp_stream) {
  *static_cast<Time*>(event) = Clock::now().time_since_epoch().count();
}

double CpuBackend::elapsed_seconds(void* from, void* to) {
  const Clock::duration elapsed(*static_cast<Time*>(to) - *static_cast<Time*>(from));
  return std::chrono::duration<double>(elapsed).count();
}

}  // namespace namp
