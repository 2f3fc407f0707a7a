#include "exec/race.h"

#include <algorithm>
#include <bit>

#include "exec/access.h"

namespace nampemu {
namespace {

// launch:15 block:20 thread:11 atomic:2 time:16. Thread numbers from kWarpThreads: all of a warp;
// kManyThreads: of several warps.
constexpr int kLaunchShift = 49;
constexpr int kBlockShift = 29;
constexpr int kThreadShift = 18;
constexpr uint64_t kAtomic = uint64_t{1} << 16;        // to its own block
constexpr uint64_t kDeviceAtomic = uint64_t{1} << 17;  // to other blocks
constexpr uint64_t kTimeMask = 0xffff;
constexpr uint32_t kBlockMask = 0xfffff;
constexpr uint32_t kManyBlocks = kBlockMask;
constexpr uint64_t kThreadBits = uint64_t{kManyThreads} << kThreadShift;
constexpr uint64_t kLowBits = (uint64_t{1} << kLaunchShift) - 1;

uint64_t launch_of(uint64_t stamp) { return stamp >> kLaunchShift; }
uint32_t block_of(uint64_t stamp) {
  return static_cast<uint32_t>(stamp >> kBlockShift) & kBlockMask;
}
uint32_t thread_of(uint64_t stamp) { return static_cast<uint32_t>(stamp >> kThreadShift) & 0x7ff; }
uint32_t time_of(uint64_t stamp) { return static_cast<uint32_t>(stamp & kTimeMask); }

uint64_t make_stamp(const Block& block, uint32_t thread) {
  return (block.launch->number << kLaunchShift) |
         (static_cast<uint64_t>(race_block(block.linear)) << kBlockShift) |
         (static_cast<uint64_t>(thread) << kThreadShift) | block.time;
}

// Beyond 16 bits of time there is nothing to compare with.
bool tracks(const Block& block) { return block.time < kTimeMask; }

bool same_thread(uint64_t a, uint64_t b) { return (a ^ b) >> kThreadShift == 0; }

// By less than a barrier of the block. Of several threads one that is ordered will do: that can only miss races.
bool ordered_in_block(uint32_t thread, uint32_t time, uint32_t me, const Warp& warp) {
  const Block& block = *warp.block;
  if (block.order.knows(race_block(block.linear), thread, time, me)) return true;
  if (thread == kManyThreads) return block.barriers_of_some.ordered_of_any(warp.index, time);
  const bool one = thread < kWarpThreads;
  const uint32_t from = one ? thread / kLanes : thread - kWarpThreads;
  if (block.barriers_of_some.ordered(from, warp.index, time)) return true;
  if (from != warp.index) return false;
  if (time < warp.sync_time) return true;
  return one ? warp.syncs.ordered(thread % kLanes, me % kLanes, time)
             : warp.syncs.ordered_of_any(me % kLanes, time);
}

bool ordered(uint64_t before, uint64_t me, const Warp& warp) {
  const Block& block = *warp.block;
  if (launch_of(before) != launch_of(me) || same_thread(before, me)) return true;
  const uint32_t from = block_of(before);
  if (from == block_of(me)) {
    if (time_of(before) < block.barrier_time) return true;
    return ordered_in_block(thread_of(before), time_of(before), thread_of(me), warp);
  }
  if (from == kManyBlocks)
    return block.device_order.knows_of(block.launch->blocks(), thread_of(me));
  return block.device_order.knows(from, thread_of(before), time_of(before), thread_of(me));
}

std::string name_thread(uint64_t stamp) {
  const uint32_t thread = thread_of(stamp);
  std::string text = thread == kManyThreads ? "several threads"
                     : thread >= kWarpThreads
                         ? "several threads of warp " + std::to_string(thread - kWarpThreads)
                         : "thread " + std::to_string(thread);
  if (block_of(stamp) == kManyBlocks) return "several blocks";
  return text + " of block " + std::to_string(block_of(stamp)) + " (counted through)";
}

struct Toucher {
  const Region& region;
  Warp& warp;
  const Instruction& i;
  uint32_t lane;
  uint64_t me;
  Touching how;

  [[gnu::noinline]] void report_race(uint64_t before, const char* what, uint64_t address) const {
    report(NAMPEMU_RACE, warp, i, lane, [&] {
      char text[32];
      std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
      return std::string(what) + " at " + text + " and nothing orders it after " +
             name_thread(before);
    });
  }

  bool stale(uint64_t stamp) const { return (stamp ^ me) >> kLaunchShift != 0; }
  // Of another launch, or of this block before its last barrier.
  bool settled(uint64_t stamp) const {
    return stale(stamp) ||
           ((stamp ^ me) >> kBlockShift == 0 && (stamp & kTimeMask) < warp.block->barrier_time);
  }

  uint32_t& before(uint64_t address) const { return region.before[(address - region.base) / 4]; }
  uint32_t* word(uint64_t address) const {
    return reinterpret_cast<uint32_t*>(region.at(address & ~uint64_t{3}));
  }
  // Before a write.
  void keep(uint64_t writer, uint64_t address) const {
    if (region.before != nullptr && (writer ^ me) >> kBlockShift != 0)
      before(address) = *word(address);
  }
  // For a load that came too early.
  void age(uint64_t writer, uint64_t address) const {
    if (region.before == nullptr ||
        (block_of(writer) == block_of(me) && how != Touching::constant_read))
      return;
    auto& aged = warp.block->aged;
    uint32_t* const at = word(address);
    if (std::any_of(aged.begin(), aged.end(), [=](const auto& one) { return one.first == at; }))
      return;
    aged.emplace_back(at, *at);
    std::swap(*at, before(address));
  }

  bool is_atomic() const { return how == Touching::atomic || how == Touching::atomic_read; }
  uint64_t atomic_bits() const {
    if (!is_atomic()) return 0;
    return (i.flags & kBlockScope) != 0 ? kAtomic : kAtomic | kDeviceAtomic;
  }
  // Both atomic, and each to the other's block.
  bool both_atomic(uint64_t before) const {
    const bool same_block = block_of(before) == block_of(me);
    return (before & atomic_bits() & (same_block ? kAtomic : kDeviceAtomic)) != 0;
  }

  // Another reader of this block and this thread.
  uint64_t both_readers(uint64_t reader) const {
    const uint32_t thread = thread_of(reader);
    const uint32_t mine = kWarpThreads + warp.index;
    const bool same_warp = thread < kWarpThreads ? thread / kLanes == warp.index : thread == mine;
    return (me & ~kThreadBits) |
           (static_cast<uint64_t>(same_warp ? mine : kManyThreads) << kThreadShift);
  }
  // Readers of several blocks.
  uint64_t readers_of_blocks() const {
    return (launch_of(me) << kLaunchShift) | (uint64_t{kManyBlocks} << kBlockShift) | kThreadBits |
           time_of(me);
  }

  void merge_reader(uint64_t& reader) const {
    const uint64_t before = reader;
    if (ordered(before, me, warp)) {
      reader = me | atomic_bits();
      return;
    }
    const bool same_block = block_of(before) == block_of(me);
    reader = (same_block ? both_readers(before) : readers_of_blocks()) | (before & atomic_bits());
  }

  void one(Touch& cell, uint64_t address) const {
    const bool reads = how != Touching::write && how != Touching::atomic;
    const uint64_t writer = cell.writer;
    if (!stale(writer)) {
      if (how == Touching::constant_read) {
        report_race(writer, "a read through .nc of what this launch writes,", address);
        age(writer, address);
      } else if (!both_atomic(writer) && !ordered(writer, me, warp)) {
        report_race(writer, reads ? "a read of what another thread wrote," : "a write over a write",
                    address);
        if (reads) age(writer, address);
      }
    }
    if (reads) {
      if (stale(cell.reader) || same_thread(cell.reader, me)) {
        cell.reader = me | atomic_bits();
      } else if (cell.reader != me) {
        merge_reader(cell.reader);
      }
      return;
    }
    const uint64_t reader = cell.reader;
    if (!stale(reader) && !both_atomic(reader) && !ordered(reader, me, warp)) {
      report_race(reader, "a write over what another thread reads,", address);
    }
    keep(writer, address);
    cell.writer = me | atomic_bits();
    cell.reader = 0;
  }
};

// A word whose bytes are kept apart has this for a writer.
uint64_t split_mark(uint64_t me) { return (launch_of(me) << kLaunchShift) | kLowBits; }

void touch_bytes(const Region& region, const Toucher& toucher, uint64_t address, uint32_t bytes) {
  Touch& word = region.touches[(address - region.base) / 4];
  Touch* each = region.byte_touches + ((address - region.base) & ~uint64_t{3});
  const uint64_t mark = split_mark(toucher.me);
  if (word.writer != mark) {
    for (int k = 0; k < 4; ++k)
      each[k] = word;
    word.writer = mark;
    word.reader = 0;
  }
  for (uint32_t k = 0; k < bytes; ++k)
    toucher.one(each[(address & 3) + k], address + k);
}

void touch_word(const Region& region, const Toucher& toucher, uint64_t address) {
  Touch& word = region.touches[(address - region.base) / 4];
  if (word.writer != split_mark(toucher.me)) return toucher.one(word, address);
  touch_bytes(region, toucher, address, 4);
  if (toucher.how == Touching::write || toucher.how == Touching::atomic) {
    word = region.byte_touches[address - region.base];
  }
}

}  // namespace

void touch(const Region& region, Warp& warp, const Instruction& i, uint32_t lane, uint64_t address,
           uint32_t bytes, Touching how) {
  if (region.touches == nullptr || !tracks(*warp.block)) return;
  const Toucher toucher{region, warp, i, lane, make_stamp(*warp.block, warp.thread(lane)), how};
  if (bytes < 4) return touch_bytes(region, toucher, address, bytes);
  for (uint32_t k = 0; k < bytes; k += 4)
    touch_word(region, toucher, address + k);
}

namespace {

// Nobody else in this launch so far, or one more of many readers: the usual cases, without a call.
// False: ask touch_word.
bool touch_quickly(const Toucher& toucher, Touch& cell, uint64_t address, bool reads, bool plain) {
  const uint64_t me = toucher.me;
  const bool constant = toucher.how == Touching::constant_read;
  const bool writer_ok = constant ? toucher.stale(cell.writer)
                                  : toucher.settled(cell.writer) || same_thread(cell.writer, me);
  if (!plain || !writer_ok) return false;
  if (toucher.settled(cell.reader) || same_thread(cell.reader, me)) {
    if (reads) {
      cell.reader = me;
    } else {
      toucher.keep(cell.writer, address);
      cell.writer = me;
    }
    return true;
  }
  if (!reads) return false;
  if (((cell.reader ^ me) & ~kThreadBits) == 0) {  // of the block at this very time: unordered
    cell.reader = toucher.both_readers(cell.reader);
    return true;
  }
  return ((cell.reader ^ toucher.readers_of_blocks()) & ~kTimeMask) == 0;
}

}  // namespace

void touch_words(const Region& region, Warp& warp, const Instruction& i, uint32_t lanes,
                 const uint64_t* address, uint32_t bytes, Touching how) {
  if (region.touches == nullptr || !tracks(*warp.block)) return;
  const bool reads = how == Touching::read || how == Touching::constant_read;
  const bool plain = reads || how == Touching::write;
  Toucher toucher{region, warp, i, 0, 0, how};
  const uint64_t first = make_stamp(*warp.block, warp.thread(0));
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(lanes));
    toucher.lane = lane;
    toucher.me = first + (uint64_t{lane} << kThreadShift);
    Touch* cell = region.touches + (address[lane] - region.base) / 4;
    for (uint32_t k = 0; k < bytes; k += 4, ++cell) {
      if (!touch_quickly(toucher, *cell, address[lane] + k, reads, plain)) {
        touch_word(region, toucher, address[lane] + k);
      }
    }
  }
}

uint32_t race_block(uint64_t linear) { return static_cast<uint32_t>(linear % kManyBlocks); }

void fence(Warp& warp, uint32_t lanes, bool of_device) {
  Block& block = *warp.block;
  block.tick();
  block.order.fence(warp, lanes);
  if (of_device) block.device_order.fence(warp, lanes);
}

}  // namespace nampemu
