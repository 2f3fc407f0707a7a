// Races: two threads touch a byte, one of them writes, and nothing orders them. What orders
// accesses:
//   - within a thread, everything; within a block, a barrier; within a warp, bar.warp.sync;
//   - between blocks, a fence followed by an atomic (or volatile, relaxed, release) access, and an
//   atomic access to that address later.
// The last is kept by block, not by thread: a release of one thread publishes what its whole block
// did before the fence.
#pragma once

#include "exec/block.h"

namespace nampemu {

enum class Touching : uint8_t { read, write, atomic, atomic_read, constant_read };

// Notes that a lane touches these bytes, and reports a race with whoever did before. bytes: 1, 2,
// or a multiple of 4 on a multiple of 4.
void touch(const Region& region, Warp& warp, const Instruction& i, uint32_t lane, uint64_t address,
           uint32_t bytes, Touching how);
// The same for several lanes whose accesses are whole words: the usual case, without a call a word.
void touch_words(const Region& region, Warp& warp, const Instruction& i, uint32_t lanes,
                 const uint64_t* address, uint32_t bytes, Touching how);

// Fences and synchronizing accesses.
void fence(Block& block);
void synchronize_at(Block& block, uint64_t address);

}  // namespace nampemu
