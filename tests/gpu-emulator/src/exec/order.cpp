#include "exec/order.h"

#include <algorithm>
#include <bit>
#include <unordered_set>

#include "exec/block.h"

namespace nampemu {
namespace {

void raise(uint32_t& to, uint32_t time) { to = std::max(to, time); }

void merge(Clock& to, const Clock& from) {
  for (const auto& [key, time] : from)
    raise(to[key], time);
}

bool covers(const Clock& clock, uint32_t key, uint32_t time) {
  const auto found = clock.find(key);
  return found != clock.end() && time < found->second;
}

// A thread is covered by its own time, its warp's and its block's.
bool covers(const Clock& clock, uint32_t block, uint32_t thread, uint32_t time) {
  return covers(clock, Order::key(block, kManyThreads), time) ||
         covers(clock, Order::key(block, thread), time) ||
         (thread < kWarpThreads &&
          covers(clock, Order::key(block, kWarpThreads + thread / kLanes), time));
}

// The time that all of a warp's existing lanes have; 0 when they differ.
template <class F>
uint32_t time_of_all(const Warp& warp, F time_of_lane) {
  uint32_t all = 0;
  for (uint32_t rest = warp.existing; rest != 0; rest &= rest - 1) {
    const uint32_t time = time_of_lane(static_cast<uint32_t>(std::countr_zero(rest)));
    if (time == 0 || (all != 0 && time != all)) return 0;
    all = time;
  }
  return all;
}

}  // namespace

void PartialBarriers::join(uint32_t arriving, uint32_t waiting, uint32_t time) {
  times_.resize(kMembers * kMembers);
  std::array<uint32_t, kMembers> before{};
  for (uint32_t from = 0; from < kMembers; ++from) {
    for (uint32_t rest = arriving; rest != 0; rest &= rest - 1)
      raise(before[from], times_[static_cast<uint32_t>(std::countr_zero(rest)) * kMembers + from]);
    if (((arriving >> from) & 1) != 0) before[from] = time;
  }
  for (uint32_t rest = waiting; rest != 0; rest &= rest - 1) {
    for (uint32_t from = 0; from < kMembers; ++from)
      raise(times_[static_cast<uint32_t>(std::countr_zero(rest)) * kMembers + from], before[from]);
  }
}

bool PartialBarriers::ordered_of_any(uint32_t to, uint32_t time) const {
  for (uint32_t from = 0; from < kMembers; ++from) {
    if (ordered(from, to, time)) return true;
  }
  return false;
}

void Order::start(uint32_t block, uint32_t threads, Released* released) {
  block_ = block;
  threads_ = threads;
  released_ = released;
  fenced_.clear();
  news_ = false;
  common_ = common_observed_time_ = 0;
  known_.clear();
  observed_.clear();
  acquired_.clear();
  common_observed_.clear();
  common_acquired_.clear();
}

void Order::fence(Warp& warp, uint32_t lanes) {
  const Block& block = *warp.block;
  if (fenced_.empty()) fenced_.resize(threads_);
  news_ = true;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const uint32_t thread = warp.thread(static_cast<uint32_t>(std::countr_zero(rest)));
    const uint32_t of_lanes = std::max(warp.sync_time, warp.syncs_time[thread % kLanes]);
    const uint32_t of_warps = std::max(block.barrier_time, block.barriers_time[warp.index]);
    fenced_[thread] = {block.time, of_lanes, of_warps};
    const auto read = observed_.find(thread);
    if (read == observed_.end()) continue;
    merge(acquired_[thread], read->second);
    observed_.erase(read);
  }
}

void Order::barrier(const Block& block) {
  if (!news_) return;
  news_ = false;
  if (!fenced_.empty()) {
    uint32_t least = ~0U;
    bool relied = false;
    for (const Fence& fence : fenced_) {
      raise(common_, fence.block);
      least = std::min(least, fence.own);
      relied = relied || fence.own > common_observed_time_;
    }
    raise(common_, least);
    known_.clear();
    for (const Warp& warp : block.warps) {
      uint32_t good =
          time_of_all(warp, [&](uint32_t lane) { return fenced_[warp.thread(lane)].own; });
      for (uint32_t rest = warp.existing; rest != 0; rest &= rest - 1) {
        const uint32_t thread = warp.thread(static_cast<uint32_t>(std::countr_zero(rest)));
        if (fenced_[thread].own > std::max(common_, good))
          known_.emplace_back(thread, fenced_[thread].own);
        raise(good, fenced_[thread].warp);
      }
      if (good > common_) known_.emplace_back(kWarpThreads + warp.index, good);
    }
    if (relied && !common_observed_.empty()) {
      merge(common_acquired_, common_observed_);
      common_observed_.clear();
    }
  }
  for (const auto& [thread, clock] : acquired_)
    merge(common_acquired_, clock);
  acquired_.clear();
  if (!observed_.empty()) common_observed_time_ = block.time;
  for (const auto& [thread, clock] : observed_)
    merge(common_observed_, clock);
  observed_.clear();
}

void Order::warp_barrier(const Warp& warp, uint32_t lanes) {
  for (auto* clocks : {&acquired_, &observed_}) {
    Clock all;
    for (uint32_t rest = lanes; rest != 0 && !clocks->empty(); rest &= rest - 1) {
      const auto one = clocks->find(warp.thread(static_cast<uint32_t>(std::countr_zero(rest))));
      if (one != clocks->end()) merge(all, one->second);
    }
    for (uint32_t rest = lanes; rest != 0 && !all.empty(); rest &= rest - 1)
      merge((*clocks)[warp.thread(static_cast<uint32_t>(std::countr_zero(rest)))], all);
  }
}

template <class F>
bool Order::any_clock(uint32_t reader, F f) const {
  if (!common_acquired_.empty() && f(common_acquired_)) return true;
  if (const auto own = acquired_.find(reader); own != acquired_.end() && f(own->second))
    return true;
  return !common_observed_.empty() && reader < fenced_.size() &&
         fenced_[reader].own > common_observed_time_ && f(common_observed_);
}

bool Order::knows(uint32_t block, uint32_t thread, uint32_t time, uint32_t reader) const {
  return any_clock(reader, [=](const Clock& clock) { return covers(clock, block, thread, time); });
}

bool Order::knows_of(uint64_t blocks, uint32_t reader) const {
  std::unordered_set<uint32_t> known = {block_};
  any_clock(reader, [&](const Clock& clock) {
    for (const auto& [key, time] : clock)
      known.insert(key >> 11);
    return false;
  });
  return known.size() >= blocks;
}

void Order::acquire(Warp& warp, uint32_t lane, uint64_t address, bool fences) {
  const auto at = released_->find(address);
  if (at == released_->end()) return;
  const uint32_t thread = warp.thread(lane);
  const uint32_t self = key(block_, thread);
  for (const auto& [from, time] : at->second) {
    if (from == self || from == key(block_, kManyThreads)) continue;
    const auto known = common_acquired_.find(from);
    if (known != common_acquired_.end() && known->second >= time) continue;
    raise((fences ? acquired_ : observed_)[thread][from], time);
    news_ = true;
  }
}

template <class F>
void Order::each_fenced(const Warp& warp, uint32_t lane, F f) const {
  const uint32_t thread = warp.thread(lane);
  const Fence& own = fenced_[thread];
  uint32_t good = std::max(common_, own.block);
  uint32_t of_warp = own.warp;
  // Lanes that fenced before the warp's last barrier did so before this lane's access.
  const auto before = [&](uint32_t other) {
    const uint32_t time = fenced_[warp.thread(other)].own;
    return time < warp.sync_time ? time : 0;
  };
  if (warp.sync_time != 0) {
    raise(of_warp, time_of_all(warp, before));
    for (uint32_t rest = warp.existing; rest != 0; rest &= rest - 1) {
      const auto other = static_cast<uint32_t>(std::countr_zero(rest));
      if (before(other) == 0) continue;
      const Fence& fence = fenced_[warp.thread(other)];
      raise(good, fence.block);
      raise(of_warp, fence.warp);
    }
    for (uint32_t rest = warp.existing & ~(1U << lane); rest != 0; rest &= rest - 1) {
      const auto other = static_cast<uint32_t>(std::countr_zero(rest));
      if (before(other) > std::max(good, of_warp)) f(warp.thread(other), before(other));
    }
  }
  if (good != 0) f(kManyThreads, good);
  if (of_warp > good) f(kWarpThreads + warp.index, of_warp);
  if (own.own > good) f(thread, own.own);
  for (const auto& [of, time] : known_) {
    if (time > good) f(of, time);
  }
}

void Order::release(Warp& warp, uint32_t lane, uint64_t address, bool overwrites) {
  if (fenced_.empty()) {
    if (overwrites) released_->erase(address);
    return;
  }
  Clock& at = (*released_)[address];
  // A reader does not read values that another thread wrote over.
  if (overwrites) at.clear();
  each_fenced(warp, lane, [&](uint32_t of, uint32_t time) { raise(at[key(block_, of)], time); });
  any_clock(warp.thread(lane), [&](const Clock& clock) {
    merge(at, clock);
    return false;
  });
}

}  // namespace nampemu
