// The order of different threads' accesses: by barriers, by fences, and by a value that one thread writes and another reads, each by an
// atomic access. One Order is kept for a block and a scope: the block's own, and the device's.
//
// A write is known to another thread when three things have happened, one after the other: its thread fenced, or one did that a barrier had put behind it; a thread
// behind that fence wrote a word by an atomic access; and a thread read that word so, and fenced, or one behind it did. "Behind": later in the same thread, or
// after a barrier of both.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace nampemu {

struct Warp;
struct Block;

// Accesses of a thread, a warp's or a block's threads (Order::key) with a smaller time than this.
using Clock = std::unordered_map<uint32_t, uint32_t>;
// The clocks released at each address.
using Released = std::unordered_map<uint64_t, Clock>;

// The thread number that stands for several: all of a warp, all of a block.
inline constexpr uint32_t kWarpThreads = 1024;
inline constexpr uint32_t kManyThreads = 0x7ff;

// Barriers of some of 32 lanes or warps: for each of them, up to when the others' accesses are before its own.
class PartialBarriers {
 public:
  void clear() { times_.clear(); }
  // waiting goes on behind everything that arriving did before the time. Bits of both.
  void join(uint32_t arriving, uint32_t waiting, uint32_t time);
  bool ordered(uint32_t from, uint32_t to, uint32_t time) const {
    return !times_.empty() && time < times_[to * kMembers + from];
  }
  // The same of whichever of the others it was.
  bool ordered_of_any(uint32_t to, uint32_t time) const;

 private:
  static constexpr uint32_t kMembers = 32;
  std::vector<uint32_t> times_;  // empty: none so far
};

class Order {
 public:
  static uint32_t key(uint32_t block, uint32_t thread) { return (block << 11) | thread; }

  // A block begins. released is the scope's.
  void start(uint32_t block, uint32_t threads, Released* released);
  // The block's time has moved on to the fence's.
  void fence(Warp& warp, uint32_t lanes);
  // A barrier of the block, which is over. One of some warps counts as the whole block's here.
  void barrier(const Block& block);
  // A barrier of lanes of a warp, which is over.
  void warp_barrier(const Warp& warp, uint32_t lanes);
  // An atomic access of one lane: reads what was released there, and fences behind it where it acquires; writes.
  void acquire(Warp& warp, uint32_t lane, uint64_t address, bool fences);
  void release(Warp& warp, uint32_t lane, uint64_t address, bool overwrites);
  bool idle() const { return fenced_.empty() && released_->empty(); }

  // Whether an access of that time lies before what the reading thread of this block does now.
  bool knows(uint32_t block, uint32_t thread, uint32_t time, uint32_t reader) const;
  // Whether the thread knows something of each of the other blocks.
  bool knows_of(uint64_t blocks, uint32_t reader) const;

 private:
  // The accesses that a thread's last fence made good: its own accesses before it, and those of its warp and of its block that a barrier had put before it.
  struct Fence {
    uint32_t own = 0, warp = 0, block = 0;
  };

  // f(clock) of all that the thread may rely on.
  template <class F>
  bool any_clock(uint32_t reader, F f) const;
  // f(thread, time) of the block's accesses that fences made good and that are before what the lane does now.
  template <class F>
  void each_fenced(const Warp& warp, uint32_t lane, F f) const;

  uint32_t block_ = 0;
  uint32_t threads_ = 0;
  Released* released_ = nullptr;
  std::vector<Fence> fenced_;  // by thread; empty before the first
  bool news_ = false;          // a fence, or something acquired, since the last barrier
  uint32_t common_ = 0;        // of the whole block, made good before the last barrier
  std::vector<std::pair<uint32_t, uint32_t>> known_;  // of threads and warps, the same
  std::unordered_map<uint32_t, Clock>
      observed_;  // read by a thread, without a fence behind it so far
  std::unordered_map<uint32_t, Clock> acquired_;  // with one
  Clock common_observed_;                         // the same of the whole block, by barriers
  uint32_t common_observed_time_ = 0;
  Clock common_acquired_;
};

}  // namespace nampemu
