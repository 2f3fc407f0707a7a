// Graphs: captured on a stream of the capture's own, so that other threads may use the caller's
// meanwhile; launched on the caller's.
#include "cuda/cuda_backend.h"

namespace namp {

using cuda::ContextScope;
using cuda::driver;
using cuda::Graph;
using cuda::GraphExecutable;
using cuda::Result;
using cuda::Stream;

// The mode is that of the thread: calls of other threads to the driver do not break the capture.
void CudaBackend::begin_capture(Capture& capture) {
  const ContextScope scope(context_);
  Stream captured = nullptr;
  driver().cuStreamCreate(&captured, cuda::kStreamNonBlocking);
  const Result begun = driver().cuStreamBeginCapture.attempt(captured, cuda::kCaptureThreadLocal);
  if (begun != cuda::kSuccess) {
    driver().cuStreamDestroy.attempt(captured);
    cuda::throw_driver_error(begun, driver().cuStreamBeginCapture.name());
  }
  capture.driver_stream = captured;
}

void* CudaBackend::end_capture(Capture& capture, bool keep) {
  const ContextScope scope(context_);
  const auto captured = static_cast<Stream>(capture.driver_stream);
  Graph graph = nullptr;
  GraphExecutable executable = nullptr;
  const char* call = driver().cuStreamEndCapture.name();
  Result result = driver().cuStreamEndCapture.attempt(captured, &graph);
  if (result == cuda::kSuccess && keep) {
    call = driver().cuGraphInstantiateWithFlags.name();
    result = driver().cuGraphInstantiateWithFlags.attempt(&executable, graph, 0);
  }
  if (graph != nullptr) driver().cuGraphDestroy.attempt(graph);
  driver().cuStreamDestroy.attempt(captured);
  if (keep && result != cuda::kSuccess) cuda::throw_driver_error(result, call);
  return executable;
}

void CudaBackend::launch_graph(void* graph, namp_stream stream) {
  const ContextScope scope(context_);
  driver().cuGraphLaunch(static_cast<GraphExecutable>(graph), stream_of(stream));
}

// As with memory that is given back, a failed device is not reported.
void CudaBackend::destroy_graph(void* graph) noexcept {
  cuda::Context popped = nullptr;
  if (driver().cuCtxPushCurrent.attempt(context_.get()) != cuda::kSuccess) return;
  driver().cuGraphExecDestroy.attempt(static_cast<GraphExecutable>(graph));
  driver().cuCtxPopCurrent.attempt(&popped);
}

}  // namespace namp
