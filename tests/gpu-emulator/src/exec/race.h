// Races: two threads touch a byte, one of them writes, and nothing orders them. What orders
// accesses:
//   - within a thread, everything; within a block, a barrier; within a warp, bar.warp.sync;
//   - between any, fences and atomic (or volatile, relaxed, acquire, release) accesses (order.h).
#pragma once

#include "exec/block.h"

namespace nampemu {

enum class Touching : uint8_t { read, write, atomic, atomic_read, constant_read };

// Notes that a lane touches these bytes, and reports a race with an earlier access. bytes: 1, 2, or
// a multiple of 4 on a multiple of 4.
void touch(const Region& region, Warp& warp, const Instruction& i, uint32_t lane, uint64_t address,
           uint32_t bytes, Touching how);
// The same for several lanes whose accesses are whole words: the usual case, without a call a word.
void touch_words(const Region& region, Warp& warp, const Instruction& i, uint32_t lanes,
                 const uint64_t* address, uint32_t bytes, Touching how);

// A block's number as accesses keep it.
uint32_t race_block(uint64_t linear);

// A load that nothing orders behind another block's write gets what was there before, once: a write becomes visible late. The words of the load that is being
// noted hold that until this is called.
inline void restore_aged(Block& block) {
  for (const auto& [word, value] : block.aged)
    *word = value;
  block.aged.clear();
}

// A fence of some lanes, for the device or for the block alone.
void fence(Warp& warp, uint32_t lanes, bool of_device);

}  // namespace nampemu
