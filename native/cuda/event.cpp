// Events: the driver's, with timing.
#include "cuda/cuda_backend.h"

namespace namp {

using cuda::ContextScope;
using cuda::driver;
using cuda::Event;

void* CudaBackend::create_event() {
  const ContextScope scope(context_);
  Event event = nullptr;
  driver().cuEventCreate(&event, 0);
  return event;
}

// As with memory that is given back, a failed device is not reported.
void CudaBackend::destroy_event(void* event) {
  cuda::Context popped = nullptr;
  if (driver().cuCtxPushCurrent.attempt(context_.get()) != cuda::kSuccess) return;
  driver().cuEventDestroy.attempt(static_cast<Event>(event));
  driver().cuCtxPopCurrent.attempt(&popped);
}

void CudaBackend::record_event(void* event, namp_stream stream) {
  const ContextScope scope(context_);
  driver().cuEventRecord(static_cast<Event>(event), queue_of(stream));
}

void CudaBackend::wait_event(namp_stream stream, void* event) {
  const ContextScope scope(context_);
  driver().cuStreamWaitEvent(queue_of(stream), static_cast<Event>(event), 0);
}

bool CudaBackend::query_event(void* event) {
  const ContextScope scope(context_);
  const cuda::Result state = driver().cuEventQuery.attempt(static_cast<Event>(event));
  if (state == cuda::kErrorNotReady) return false;
  if (state != cuda::kSuccess) cuda::throw_driver_error(state, driver().cuEventQuery.name());
  return true;
}

void CudaBackend::synchronize_event(void* event) {
  const ContextScope scope(context_);
  driver().cuEventSynchronize(static_cast<Event>(event));
}

double CudaBackend::elapsed_seconds(void* from, void* to) {
  const ContextScope scope(context_);
  driver().cuEventSynchronize(static_cast<Event>(from));
  driver().cuEventSynchronize(static_cast<Event>(to));
  float milliseconds = 0;
  driver().cuEventElapsedTime(&milliseconds, static_cast<Event>(from), static_cast<Event>(to));
  return static_cast<double>(milliseconds) * 1e-3;
}

}  // namespace namp
