// A launch and the block of it that is running: what the instructions of a warp can reach.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "device/counters.h"
#include "device/findings.h"
#include "device/memory.h"
#include "exec/instruction.h"
#include "exec/order.h"
#include "exec/warp.h"

namespace nampemu {

// Ends a launch as a fault ends it on a device.
class LaunchFault : public std::runtime_error {
 public:
  LaunchFault(int result, const std::string& message)
      : std::runtime_error(message), result_(result) {}
  int result() const { return result_; }

 private:
  int result_;  // a CUresult
};

// In what order blocks, and the warps of a block, run. A kernel whose result depends on it has a bug
// that no device promises to show.
struct RunOrder {
  bool reverse = false;
  uint64_t seed = 0;  // not 0: drawn from it, for each launch anew
};

class Trace;

struct Launch {
  const Kernel* kernel = nullptr;
  RunOrder order;
  std::array<uint32_t, 3> grid{};
  std::array<uint32_t, 3> block{};
  std::vector<std::byte> parameters;
  uint32_t shared_bytes = 0;  // static, padding and dynamic
  uint32_t dynamic_shared = 0;
  int device = 0;
  uint64_t number = 0;  // 1 to kLastLaunch
  uint32_t multiprocessors = 1;
  uint64_t instruction_limit = 0;
  Memory* memory = nullptr;
  Findings* findings = nullptr;
  LaunchCounters counters;
  Trace* trace = nullptr;  // of a launch that is recorded
  uint32_t sampled_blocks =
      0;  // how many run of a large grid; the counters are then scaled. 0: all
  uint64_t blocks_run = 0;
  Released released;           // to the device
  std::vector<Region*> slots;  // the last region of each memory instruction
  uint64_t blocks() const { return uint64_t{grid[0]} * grid[1] * grid[2]; }
  uint32_t threads() const { return block[0] * block[1] * block[2]; }
};

struct Barrier {
  uint32_t arrived = 0;   // threads
  uint32_t expected = 0;  // 0: nobody is there
  uint32_t votes = 0;     // of bar.red: threads whose predicate is true
  uint32_t warps = 0;     // of those that have arrived
};

struct Block {
  Launch* launch = nullptr;
  uint64_t linear = 0;
  std::array<uint32_t, 3> index{};
  Region shared;
  Region local;
  Region parameters;
  std::vector<Warp> warps;
  std::array<Barrier, 16> barriers{};
  // Time passes at barriers, warp barriers and fences, so that "before the last barrier" is a
  // comparison.
  uint32_t time = 1;
  uint32_t barrier_time = 0;  // accesses with a smaller time are ordered before all of the block's
  PartialBarriers barriers_of_some;          // of warps, since then
  std::array<uint32_t, 32> barriers_time{};  // of a warp's last one
  Order order;                               // by fences and atomics at the scope of the block
  Order device_order;                        // at the scope of the device
  Released released;                         // to the block
  // Of each byte of shared memory, whether a cp.async is under way that writes it; and how many lanes' copies are under way.
  std::vector<uint8_t> under_way;
  uint32_t copies_under_way = 0;
  // Words that hold an older value for the length of a load, and what they held.
  std::vector<std::pair<uint32_t*, uint32_t>> aged;

  uint64_t local_base(uint32_t thread) const {
    return local.base + uint64_t{thread} * launch->kernel->local_bytes;
  }
  void tick() { ++time; }
};

// A launch's number is kept with every access, in 15 bits.
inline constexpr uint64_t kLastLaunch = 0x7ffe;

// "kernel k, PTX line 3, block (0,0,0), thread (5,0,0)"
std::string where(const Warp& warp, const Instruction& instruction, uint32_t lane);
// Adds a finding of this place. message is only built for a new one.
template <class F>
void report(nampemu_kind kind, const Warp& warp, const Instruction& i, uint32_t lane, F message) {
  Launch& launch = *warp.block->launch;
  const std::string place = launch.kernel->name + ":" + std::to_string(i.line);
  if (launch.findings->known(kind, place)) return;
  launch.findings->add(kind, place, where(warp, i, lane) + ": " + message());
}

}  // namespace nampemu
