#include "abi/memory_pool.h"

#include <algorithm>
#include <string>

#include "abi/check.h"
#include "abi/graph_memory.h"
#include "capture.h"

namespace namp {
namespace {

constexpr int64_t kGranule = 256;             // alignment, and the smallest class
constexpr int64_t kSmallPiece = 64 << 10;     // up to here pieces are cut from a segment
constexpr int64_t kSmallSegment = 512 << 10;  // of this size

}  // namespace

int64_t MemoryPool::size_class(int64_t bytes) {
  if (bytes > kMaxElements) {
    fail(NAMP_ERROR_OUT_OF_MEMORY,
         "Cannot allocate " + std::to_string(bytes) + " bytes: more than any device has.");
  }
  // Eight classes between powers of two: at most an eighth is lost.
  int64_t step = kGranule;
  while (step * 16 <= bytes)
    step *= 2;
  return (bytes + step - 1) / step * step;
}

MemoryPool::~MemoryPool() {
  for (auto& entry : segments_)
    backend_.system_free(entry.first);
}

void* MemoryPool::allocate(int64_t bytes, namp_memory_kind kind, namp_stream stream) {
  std::lock_guard lock(mutex_);
  const int64_t size = size_class(bytes);
  GraphMemory* const graph = current_graph_memory(*this);
  const bool captured = graph != nullptr;
  const Piece piece = captured ? take_for(*graph, size, stream) : take_or_make(size, stream);
  try {
    live_.emplace(piece.pointer,
                  Live{piece.segment, size, kind, stream, {}, captured ? graph : nullptr});
  } catch (...) {
    // Had room for it a moment ago.
    (captured ? graph->cache_ : cache_)[{stream, size}].push_back(piece);
    throw;
  }
  if (!captured) piece.segment->live++;
  statistics_.cached_bytes -= size;
  count(kind, size);
  return piece.pointer;
}

MemoryPool::Piece MemoryPool::take_or_make(int64_t bytes, namp_stream stream) {
  auto& cached = cache_[{stream, bytes}];
  if (cached.empty()) {
    const int64_t pieces = bytes <= kSmallPiece ? kSmallSegment / bytes : 1;
    cached.reserve(static_cast<size_t>(pieces));
    Segment* segment = nullptr;
    try {
      segment = new_segment(bytes * pieces);
    } catch (const Error& error) {
      if (error.status() != NAMP_ERROR_OUT_OF_MEMORY) throw;
      trim_locked();
      segment = make_segment_or_explain(bytes * pieces);
    }
    segment->pieces = pieces;
    auto& refilled = cache_[{stream, bytes}];  // trimming may have dropped the list
    refilled.reserve(static_cast<size_t>(pieces));
    for (int64_t i = pieces - 1; i >= 0; --i) {
      refilled.push_back({static_cast<char*>(segment->base) + i * bytes, segment});
    }
    statistics_.cached_bytes += bytes * pieces;
    const Piece piece = refilled.back();
    refilled.pop_back();
    return piece;
  }
  const Piece piece = cached.back();
  cached.pop_back();
  return piece;
}

MemoryPool::Segment* MemoryPool::new_segment(int64_t bytes) {
  auto segment = std::make_unique<Segment>();
  segment->base = backend_.system_allocate(bytes);
  statistics_.system_allocations++;
  Segment* raw = segment.get();
  try {
    segments_.emplace(raw->base, std::move(segment));
  } catch (...) {
    backend_.system_free(raw->base);
    throw;
  }
  return raw;
}

MemoryPool::Segment* MemoryPool::make_segment_or_explain(int64_t bytes) {
  try {
    return new_segment(bytes);
  } catch (const Error& error) {
    if (error.status() != NAMP_ERROR_OUT_OF_MEMORY) throw;
    static constexpr const char* kNames[NAMP_MEMORY_KIND_COUNT] = {
        "other",     "parameters",  "compute copies", "optimizer state",
        "gradients", "activations", "workspace"};
    std::string holds;
    for (int kind = 0; kind < NAMP_MEMORY_KIND_COUNT; ++kind) {
      if (statistics_.live_bytes[kind] == 0) continue;
      holds += (holds.empty() ? "" : ", ") + std::string(kNames[kind]) + " " +
               std::to_string(statistics_.live_bytes[kind]);
    }
    fail(NAMP_ERROR_OUT_OF_MEMORY, std::string(error.what()) + " In use here, in bytes: " +
                                       (holds.empty() ? "nothing" : holds) +
                                       "; kept for reuse and not to be given back: " +
                                       std::to_string(statistics_.cached_bytes) + ".");
  }
}

MemoryPool::Live& MemoryPool::find_live(void* pointer, const char* what) {
  const auto found = live_.find(pointer);
  if (found == live_.end() || found->second.is_freed) {
    fail(NAMP_ERROR_INVALID_ARGUMENT, std::string("The pointer to ") + what +
                                          " is not memory of this device that is in use; " + what +
                                          " what namp_memory_allocate gave, before it is freed.");
  }
  return found->second;
}

void MemoryPool::add_user(Live& live, namp_stream stream) {
  if (stream == live.stream) return;
  if (std::find(live.users.begin(), live.users.end(), stream) != live.users.end()) return;
  live.users.push_back(stream);
}

void MemoryPool::record_stream(void* pointer, namp_stream stream) {
  std::lock_guard lock(mutex_);
  add_user(find_live(pointer, "record"), stream);
}

void MemoryPool::free(void* pointer, namp_stream stream) {
  std::lock_guard lock(mutex_);
  Live& live = find_live(pointer, "free");
  add_user(live, stream);
  if (live.holders > 0) {
    live.is_freed = true;
    return;
  }
  GraphMemory* const graph = current_graph_memory(*this);
  if (live.graph == nullptr && !live.users.empty() && graph != nullptr) {
    // The streams' wait for each other is no work of the graph.
    if (graph->held_.insert(pointer).second) live.holders++;
    live.is_freed = true;
    return;
  }
  give_back(live_.find(pointer));
}

void MemoryPool::give_back(std::unordered_map<void*, Live>::iterator found) {
  const Live& live = found->second;
  for (const namp_stream user : live.users)
    backend_.order(live.stream, user);
  auto& cache = live.graph != nullptr ? live.graph->cache_ : cache_;
  cache[{live.stream, live.bytes}].push_back({found->first, live.segment});
  if (live.graph == nullptr) live.segment->live--;
  statistics_.cached_bytes += live.bytes;
  count(live.kind, -live.bytes);
  live_.erase(found);
}

void MemoryPool::trim() {
  std::lock_guard lock(mutex_);
  trim_locked();
}

void MemoryPool::trim_locked() {
  for (auto entry = cache_.begin(); entry != cache_.end();) {
    auto& pieces = entry->second;
    const auto idle = [](const Piece& piece) { return piece.segment->live == 0; };
    const auto gone = std::count_if(pieces.begin(), pieces.end(), idle);
    statistics_.cached_bytes -= gone * entry->first.second;
    pieces.erase(std::remove_if(pieces.begin(), pieces.end(), idle), pieces.end());
    entry = pieces.empty() ? cache_.erase(entry) : std::next(entry);
  }
  for (auto entry = segments_.begin(); entry != segments_.end();) {
    if (entry->second->live == 0) {
      backend_.system_free(entry->first);
      entry = segments_.erase(entry);
    } else {
      ++entry;
    }
  }
}

void MemoryPool::forget_stream(namp_stream stream) {
  if (stream == nullptr) return;
  std::lock_guard lock(mutex_);
  for (auto entry = cache_.begin(); entry != cache_.end();) {
    if (entry->first.first == stream) {
      auto& kept = cache_[{nullptr, entry->first.second}];
      kept.insert(kept.end(), entry->second.begin(), entry->second.end());
      entry = cache_.erase(entry);
    } else {
      ++entry;
    }
  }
  for (auto& entry : live_) {
    Live& live = entry.second;
    if (live.stream == stream) live.stream = nullptr;
    auto& users = live.users;
    users.erase(
        std::remove_if(users.begin(), users.end(),
                       [&](namp_stream user) { return user == stream || user == live.stream; }),
        users.end());
  }
}

void MemoryPool::count(namp_memory_kind kind, int64_t bytes) {
  statistics_.live_bytes[kind] += bytes;
  live_total_ += bytes;
  statistics_.peak_bytes[kind] =
      std::max(statistics_.peak_bytes[kind], statistics_.live_bytes[kind]);
  statistics_.peak_total_bytes = std::max(statistics_.peak_total_bytes, live_total_);
}

void MemoryPool::get_statistics(namp_memory_statistics& statistics) {
  std::lock_guard lock(mutex_);
  statistics = statistics_;
  statistics.struct_size = sizeof(statistics);
}

void MemoryPool::reset_peak() {
  std::lock_guard lock(mutex_);
  std::copy(std::begin(statistics_.live_bytes), std::end(statistics_.live_bytes),
            std::begin(statistics_.peak_bytes));
  statistics_.peak_total_bytes = live_total_;
}

int64_t MemoryPool::live_pieces_except(namp_memory_kind kind) {
  std::lock_guard lock(mutex_);
  return std::count_if(live_.begin(), live_.end(),
                       [kind](const auto& entry) { return entry.second.kind != kind; });
}

void* PoolWorkspace::reserve(int64_t bytes, namp_stream stream, User user) {
  GraphMemory* const graph = current_graph_memory(pool_);
  Piece& piece = pieces_[{stream, user}];
  if (piece.bytes < bytes) {
    if (graph != nullptr) {
      refuse_capture("a workspace of " + std::to_string(bytes) +
                     " bytes is needed, and the stream has " + std::to_string(piece.bytes) +
                     ". Make the call once before, uncaptured.");
    }
    // The new piece first: on failure the old one stays. Growing by half more keeps the number of
    // growths small.
    const int64_t size = std::max(bytes, piece.bytes + piece.bytes / 2);
    void* grown = pool_.allocate(size, NAMP_MEMORY_WORKSPACE, stream);
    if (piece.pointer != nullptr) pool_.free(piece.pointer, stream);
    piece = {grown, size};
  }
  // It may grow after the capture, and the old one be freed.
  if (graph != nullptr) pool_.hold(piece.pointer, *graph);
#if defined(NAMP_SANITIZED)
  // Where an operator reads what another left there, its tests are to fail.
  if (graph == nullptr) pool_.spoil(piece.pointer, bytes, stream);
#endif
  return piece.pointer;
}

void PoolWorkspace::release(namp_stream stream) {
  for (const User user :
       {User::kOperator, User::kSums, User::kLibrary, User::kPadded, User::kTrial, User::kDense}) {
    const auto found = pieces_.find({stream, user});
    if (found == pieces_.end()) continue;
    if (found->second.pointer != nullptr) pool_.free(found->second.pointer, stream);
    pieces_.erase(found);
  }
}

}  // namespace namp
