// Runs one warp until none of its lanes can go on. Lanes at the same place run together; of several
// places the first in the code goes first, which is where branches meet again. A warp that stays
// diverged for long lets the others in, so that a lane may wait for another.
#pragma once

#include "exec/block.h"

namespace nampemu {

inline constexpr uint32_t kLongTurn = 1U << 20;

class WarpRunner {
 public:
  explicit WarpRunner(Warp& warp);
  // Until every lane waits or has exited, or the warp has had its turn of this many instructions.
  void run(uint32_t instructions);

 private:
  // The lanes that go next, from where, and the place at which others would join them.
  bool choose();
  void park();  // writes pc_ back to the active lanes
  bool branch(const Instruction& i, uint32_t lanes, uint32_t target);
  void branch_indexed(const Instruction& i, uint32_t lanes);
  void ret(const Instruction& i, uint32_t lanes);
  void exit(uint32_t lanes);
  bool sync(const Instruction& i, uint32_t lanes);  // false: every lane's place is written down
  void barrier(const Instruction& i, uint32_t lanes);

  Warp& warp_;
  const Instruction* code_;
  uint32_t active_ = 0;
  uint32_t pc_ = 0;
  uint32_t join_ = kNone;
  uint32_t turn_ = 0;
  uint32_t turns_ = 0;
};

// Lets go every barrier whose threads have all come, exited ones counted as come. False when there
// is none.
bool release_ready_barriers(Block& block);

}  // namespace nampemu
