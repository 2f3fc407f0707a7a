// Memory of one graph, as the pool keeps it. An allocation during a capture is the graph's until that
// is destroyed: freed, it serves the same capture again, and nobody else, for the graph's launches use
// it. Memory from before that the library itself uses in a capture, and might give back at any time,
// is held.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "abi/memory_pool.h"

namespace namp {

class GraphMemory {
 public:
  explicit GraphMemory(MemoryPool& pool) : pool_(pool) {}
  GraphMemory(const GraphMemory&) = delete;
  GraphMemory& operator=(const GraphMemory&) = delete;
  // Gives everything back to the pool. Pieces that are still in use become memory like any other.
  ~GraphMemory() { pool_.release(*this); }

  bool is_of(const MemoryPool& pool) const { return &pool_ == &pool; }

 private:
  friend class MemoryPool;

  MemoryPool& pool_;
  std::map<std::pair<namp_stream, int64_t>, std::vector<MemoryPool::Piece>> cache_;
  std::set<void*> held_;
};

// Of the graph that the calling thread captures on the pool's device; null for none. During a capture a
// thread may work with other devices as ever.
GraphMemory* current_graph_memory(const MemoryPool& pool) noexcept;
void set_current_graph_memory(GraphMemory* memory) noexcept;

}  // namespace namp
