// The caching allocator, the same for every backend: memory that is freed is kept for the next
// allocation of its size class, so that a training step that has run before asks the system for
// nothing. A piece belongs to the stream that it was allocated on and goes back to that stream's
// cache; where other streams used it, its own waits for them, on the device.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "backend.h"
#include "nativeamp.h"

namespace namp {

class GraphMemory;

class MemoryPool {
 public:
  explicit MemoryPool(Backend& backend) : backend_(backend) {}
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;
  ~MemoryPool();  // gives everything back, also what is still in use

  // Memory of a stream. bytes is 1 or more.
  void* allocate(int64_t bytes, namp_memory_kind kind, namp_stream stream);
  // The stream has used it as well, if it is not the piece's own.
  void free(void* pointer, namp_stream stream);
  void record_stream(void* pointer, namp_stream stream);
  void trim();

  // Memory that is in use lives until the graph is destroyed, freed or not.
  void hold(void* pointer, GraphMemory& graph);
  // Takes back what is a graph's.
  void release(GraphMemory& graph);

  // Memory of a stream that ends (and has been waited for) goes to the device's own stream.
  void forget_stream(namp_stream stream);

  void get_statistics(namp_memory_statistics& statistics);
  void reset_peak();

  // Around a fork, so that the child finds it whole.
  void lock_for_fork() { mutex_.lock(); }
  void unlock_after_fork() { mutex_.unlock(); }

  // Pieces in use, but for those of a kind.
  int64_t live_pieces_except(namp_memory_kind kind);

  // Bytes that an allocation of this many really takes.
  static int64_t size_class(int64_t bytes);

  // A piece of memory from the system, whole or cut into many small ones of one class.
  struct Segment {
    void* base;
    int64_t pieces;
    int64_t live = 0;  // pieces that are in use, or a graph's
  };
  struct Piece {
    void* pointer;
    Segment* segment;
  };

#if defined(NAMP_SANITIZED)
  // Fills memory with -1, which is a NaN in every float.
  void spoil(void* pointer, int64_t bytes, namp_stream stream) {
    if (bytes > 0) backend_.fill(pointer, -1, bytes, stream);
  }
#endif

 private:
  struct Live {
    Segment* segment;
    int64_t bytes;
    namp_memory_kind kind;
    namp_stream stream;
    std::vector<namp_stream> users;  // other streams
    GraphMemory* graph = nullptr;    // whose it is
    int32_t holders = 0;             // graphs that use memory from before their capture
    bool is_freed = false;           // by its owner, while there are holders
  };

  // Throws where the pointer is none of ours.
  Live& find_live(void* pointer, const char* what);
  static void add_user(Live& live, namp_stream stream);

  Piece take_or_make(int64_t bytes, namp_stream stream);
  Piece take_for(GraphMemory& graph, int64_t bytes, namp_stream stream);
  void give_back(std::unordered_map<void*, Live>::iterator live);
  Segment* new_segment(int64_t bytes);
  // The same; a failure says what the memory is used for.
  Segment* make_segment_or_explain(int64_t bytes);
  void trim_locked();
  void count(namp_memory_kind kind, int64_t bytes);

  Backend& backend_;
  std::mutex mutex_;  // finalizers free from threads of their own
  std::unordered_map<void*, std::unique_ptr<Segment>> segments_;
  std::map<std::pair<namp_stream, int64_t>, std::vector<Piece>> cache_;
  std::unordered_map<void*, Live> live_;
  namp_memory_statistics statistics_{};
  int64_t live_total_ = 0;
};

// Scratch memory: one growing piece per stream and user. Used under DeviceUse alone.
class PoolWorkspace : public Backend::Workspace {
 public:
  explicit PoolWorkspace(MemoryPool& pool) : pool_(pool) {}

  void* reserve(int64_t bytes, namp_stream stream, User user) override;
  void trim() override { pool_.trim(); }
  void release(namp_stream stream);

 private:
  struct Piece {
    void* pointer = nullptr;
    int64_t bytes = 0;
  };

  MemoryPool& pool_;
  std::map<std::pair<namp_stream, User>, Piece> pieces_;
};

}  // namespace namp
