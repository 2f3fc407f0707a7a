// Events: all work before a call is done when it is made, so the time of the call is the event's.
#include <chrono>

#include "cpu/cpu_backend.h"

namespace namp {
namespace {

using Time = std::chrono::steady_clock::time_point;

}  // namespace

void* CpuBackend::create_event() { return new Time; }

void CpuBackend::destroy_event(void* event) { delete static_cast<Time*>(event); }

void CpuBackend::record_event(void* event, namp_stream) {
  *static_cast<Time*>(event) = std::chrono::steady_clock::now();
}

double CpuBackend::elapsed_seconds(void* from, void* to) {
  return std::chrono::duration<double>(*static_cast<Time*>(to) - *static_cast<Time*>(from)).count();
}

}  // namespace namp
