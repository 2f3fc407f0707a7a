// Graphs that were captured: executable ones of them, and their launches. A launch is one piece of
// work on its stream.
#include "driver/emulator.h"

using namespace nampemu;

namespace {

template <class T, class Handle>
T* find_live(std::map<T*, std::unique_ptr<T>>& live, Handle handle) {
  const auto found = live.find(reinterpret_cast<T*>(handle));
  return found == live.end() ? nullptr : found->first;
}

CUresult none(Emulator& e, const char* name, const char* what) {
  return bad_argument(e, name, std::string("the ") + what + " isn't a live one",
                      CUDA_ERROR_INVALID_HANDLE);
}

}  // namespace

NAMPEMU_API CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph,
                                                 unsigned long long flags) {
  return api("cuGraphInstantiateWithFlags", Needs::context, [=](Emulator& e) {
    if (executable == nullptr || flags != 0) return CUDA_ERROR_INVALID_VALUE;
    const Graph* found = find_live(e.graphs, graph);
    if (found == nullptr) return none(e, "cuGraphInstantiateWithFlags", "graph");
    auto made = std::make_unique<GraphExecutable>();
    made->context = found->context;
    made->nodes = found->nodes;
    GraphExecutable* key = made.get();
    e.executables[key] = std::move(made);
    *executable = reinterpret_cast<CUgraphExec>(key);
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  return api("cuGraphLaunch", Needs::context, [=](Emulator& e) {
    if (const CUresult bad = check_stream(e, "cuGraphLaunch", stream)) return bad;
    GraphExecutable* found = find_live(e.executables, executable);
    if (found == nullptr) return none(e, "cuGraphLaunch", "executable graph");
    if (found->context != Emulator::current()->id) {
      return bad_argument(e, "cuGraphLaunch", "the graph is another context's",
                          CUDA_ERROR_INVALID_HANDLE);
    }
    // A graph in a graph is not there.
    if (const CUresult bad = check_not_captured(e.queue.find(stream))) return bad;
    ++e.counters.launches;
    // Launches of one executable graph follow each other on any streams.
    found->last = e.queue.put(stream,
                              [&e, nodes = found->nodes] {
                                e.is_in_graph = true;
                                ++e.graph_number;
                                run_nodes(*nodes);
                                e.is_in_graph = false;
                              },
                              {found->last});
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuGraphExecDestroy(CUgraphExec executable) {
  return api("cuGraphExecDestroy", Needs::driver, [=](Emulator& e) {
    GraphExecutable* found = find_live(e.executables, executable);
    if (found == nullptr) return none(e, "cuGraphExecDestroy", "executable graph");
    e.executables.erase(found);  // a launch under way has its own
    return CUDA_SUCCESS;
  });
}
NAMPEMU_API CUresult cuGraphDestroy(CUgraph graph) {
  return api("cuGraphDestroy", Needs::driver, [=](Emulator& e) {
    Graph* found = find_live(e.graphs, graph);
    if (found == nullptr) return none(e, "cuGraphDestroy", "graph");
    e.graphs.erase(found);
    return CUDA_SUCCESS;
  });
}
