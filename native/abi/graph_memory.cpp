// The pool's part in graphs.
#include "abi/graph_memory.h"

#include <algorithm>
#include <string>

#include "capture.h"

namespace namp {
namespace {

thread_local GraphMemory* current = nullptr;

}  // namespace

GraphMemory* current_graph_memory(const MemoryPool& pool) noexcept {
  return current != nullptr && current->is_of(pool) ? current : nullptr;
}

void set_current_graph_memory(GraphMemory* memory) noexcept { current = memory; }

MemoryPool::Piece MemoryPool::take_for(GraphMemory& graph, int64_t bytes, namp_stream stream) {
  auto& kept = graph.cache_[{stream, bytes}];
  if (!kept.empty()) {
    const Piece piece = kept.back();
    kept.pop_back();
    return piece;
  }
  const auto cached = cache_.find({stream, bytes});
  if (cached == cache_.end() || cached->second.empty()) {
    refuse_capture("the cache has no " + std::to_string(bytes) +
                   " bytes for an allocation, and asking the driver for memory is no work of a "
                   "graph. Do the same work once before, uncaptured, and free what it allocates.");
  }
  const Piece piece = cached->second.back();
  cached->second.pop_back();
  piece.segment->live++;
  return piece;
}

void MemoryPool::hold(void* pointer, GraphMemory& graph) {
  std::lock_guard lock(mutex_);
  const auto found = live_.find(pointer);
  if (found == live_.end() || !graph.held_.insert(pointer).second) return;
  found->second.holders++;
}

void MemoryPool::release(GraphMemory& graph) {
  std::lock_guard lock(mutex_);
  for (auto& [key, pieces] : graph.cache_) {
    auto& cached = cache_[key];
    for (const Piece& piece : pieces) {
      piece.segment->live--;
      cached.push_back(piece);
    }
  }
  for (auto& [pointer, live] : live_)
    if (live.graph == &graph) live.graph = nullptr;
  for (void* pointer : graph.held_) {
    const auto found = live_.find(pointer);
    if (--found->second.holders == 0 && found->second.is_freed) give_back(found);
  }
}

}  // namespace namp
