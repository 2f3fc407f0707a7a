// The state of 32 threads. Every lane has a program counter of its own; lanes at the same place run
// together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "exec/async_copy.h"
#include "exec/instruction.h"
#include "exec/order.h"

namespace nampemu {

struct Block;

struct Warp {
  uint64_t steps = 0;  // instructions until now
  std::byte* registers = nullptr;
  Block* block = nullptr;
  uint32_t index = 0;     // in the block
  uint32_t existing = 0;  // lanes that the block's size gives it
  uint32_t alive = 0;     // have not exited
  uint32_t runnable = 0;  // alive and waiting for nothing
  uint32_t at_barrier = 0;
  uint32_t at_sync = 0;  // waiting for lanes of this warp
  std::array<uint32_t, kLanes> pc{};
  std::array<uint32_t, kLanes> sync_members{};  // of the lanes in at_sync
  std::array<uint8_t, kLanes> barrier_id{};     // of the lanes in at_barrier
  uint32_t sync_time = 0;                       // block time of the last warp-wide bar.warp.sync
  PartialBarriers syncs;                        // bar.warp.sync of some lanes, since then
  std::array<uint32_t, kLanes> syncs_time{};    // of a lane's last one
  std::vector<AsyncCopy> copies;                // under way, in the order in which they were issued
  std::array<uint32_t, kLanes> copy_groups{};   // that a lane has committed

  template <class T>
  T* at(uint32_t offset) {
    return reinterpret_cast<T*>(registers + offset);
  }
  uint32_t& mask(uint32_t offset) { return *at<uint32_t>(offset); }
  uint32_t thread(uint32_t lane) const { return index * kLanes + lane; }
};

}  // namespace nampemu
