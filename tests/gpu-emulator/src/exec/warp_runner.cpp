#include "exec/warp_runner.h"

#include <array>
#include <bit>

#include "driver/cuda_api.h"
#include "exec/control.h"
#include "exec/lanes.h"

namespace nampemu {
namespace {

constexpr uint32_t kPatience = 1U << 14;  // diverged instructions before other lanes run

uint32_t lane_of(uint32_t lanes) { return static_cast<uint32_t>(std::countr_zero(lanes)); }

}  // namespace

WarpRunner::WarpRunner(Warp& warp) : warp_(warp), code_(warp.block->launch->kernel->code.data()) {}

bool WarpRunner::choose() {
  if (warp_.runnable == 0) return false;
  uint32_t least = kNone;
  uint32_t next = kNone;
  uint32_t lanes = 0;
  for_lanes(warp_.runnable, [&](uint32_t lane) {
    const uint32_t at = warp_.pc[lane];
    if (at < least) {
      next = least;
      least = at;
      lanes = 1U << lane;
    } else if (at == least) {
      lanes |= 1U << lane;
    } else if (at < next) {
      next = at;
    }
  });
  // Every so often another group, from the lane after this turn's number on, to be fair to those
  // who are waited for.
  if (next != kNone && turn_ % kPatience >= kPatience - 256) {
    const uint32_t start = (turn_ / kPatience) % kLanes;
    const uint32_t later = warp_.runnable & ~lanes & (kAllLanes << start);
    const uint32_t other = later != 0 ? later : warp_.runnable & ~lanes;
    const uint32_t at = warp_.pc[lane_of(other)];
    lanes = 0;
    for_lanes(warp_.runnable, [&](uint32_t lane) {
      if (warp_.pc[lane] == at) lanes |= 1U << lane;
    });
    least = at;
    next = kNone;
  }
  active_ = lanes;
  pc_ = least;
  join_ = next;
  return true;
}

void WarpRunner::park() {
  for_lanes(active_, [&](uint32_t lane) { warp_.pc[lane] = pc_; });
}

void WarpRunner::run(uint32_t instructions) {
  turns_ = instructions;
  LaunchCounters& counters = warp_.block->launch->counters;
  std::array<uint64_t, NAMPEMU_CLASSES> threads{};
  uint32_t steps = 0;
  const auto count = [&] {
    for (size_t kind = 0; kind < threads.size(); ++kind) {
      counters.thread_instructions += threads[kind];
      counters.instructions[kind] += threads[kind];
    }
    counters.warp_instructions += steps;
    warp_.steps += steps;
    threads = {};
    steps = 0;
  };
  while (turn_ < turns_ && choose()) {
    bool stay = true;
    while (stay) {
      const Instruction& i = code_[pc_];
      uint32_t lanes = active_;
      if (i.guard != kNone) {
        const uint32_t guard = warp_.mask(i.guard);
        lanes &= i.guard_negated ? ~guard : guard;
      }
      threads[i.kind] += static_cast<uint64_t>(std::popcount(active_));
      ++steps;
      ++turn_;
      if (i.flow == Flow::next) {
        if (lanes != 0) i.execute(warp_, i, lanes);
        ++pc_;
      } else if (lanes == 0) {
        ++pc_;
      } else {
        switch (i.flow) {
          case Flow::branch:
            stay = branch(i, lanes, i.target);
            break;
          case Flow::call:
            for_lanes(lanes, [&](uint32_t lane) { warp_.at<uint32_t>(i.r[0])[lane] = pc_ + 1; });
            stay = branch(i, lanes, i.target);
            break;
          case Flow::branch_indexed:
            branch_indexed(i, lanes);
            stay = false;
            break;
          case Flow::ret:
            ret(i, lanes);
            stay = false;
            break;
          case Flow::exit:
            exit(lanes);
            stay = false;
            break;
          case Flow::warp_sync:
            count();
            stay = sync(i, lanes);
            break;
          case Flow::barrier:
            barrier(i, lanes);
            stay = false;
            break;
          default:
            count();
            report(NAMPEMU_TRAP, warp_, i, lane_of(lanes), [] { return "trap"; });
            throw LaunchFault(CUDA_ERROR_LAUNCH_FAILED, "trap");
        }
        if (!stay) break;
      }
      // Others wait here, or have fallen behind, or it is somebody else's turn.
      if (pc_ >= join_ || turn_ >= turns_ ||
          (active_ != warp_.runnable &&
           (turn_ % kPatience == kPatience - 256 || turn_ % kPatience == 0))) {
        park();
        stay = false;
      }
    }
    count();
  }
}

// True when all active lanes go the same way; otherwise every lane's place is written down.
bool WarpRunner::branch(const Instruction&, uint32_t lanes, uint32_t target) {
  if (lanes == active_) {
    const bool back = target <= pc_;
    pc_ = target;
    // Backwards, lanes further on no longer bound this loop by their place alone.
    if (back && join_ != kNone) {
      park();
      return false;
    }
    return true;
  }
  const uint32_t others = active_ & ~lanes;
  for_lanes(lanes, [&](uint32_t lane) { warp_.pc[lane] = target; });
  for_lanes(others, [&](uint32_t lane) { warp_.pc[lane] = pc_ + 1; });
  return false;
}

void WarpRunner::branch_indexed(const Instruction& i, uint32_t lanes) {
  const std::vector<uint32_t>& table = warp_.block->launch->kernel->branch_tables[i.target];
  const uint32_t* index = warp_.at<uint32_t>(i.r[0]);
  for_lanes(active_ & ~lanes, [&](uint32_t lane) { warp_.pc[lane] = pc_ + 1; });
  for_lanes(lanes, [&](uint32_t lane) {
    if (index[lane] >= table.size()) {
      report(NAMPEMU_OUT_OF_BOUNDS, warp_, i, lane, [&] {
        return "branch " + std::to_string(index[lane]) + " of a table of " +
               std::to_string(table.size());
      });
      throw LaunchFault(CUDA_ERROR_ILLEGAL_INSTRUCTION, "branch table");
    }
    warp_.pc[lane] = table[index[lane]];
  });
}

void WarpRunner::ret(const Instruction& i, uint32_t lanes) {
  const uint32_t* to = warp_.at<uint32_t>(i.r[0]);
  for_lanes(active_ & ~lanes, [&](uint32_t lane) { warp_.pc[lane] = pc_ + 1; });
  for_lanes(lanes, [&](uint32_t lane) { warp_.pc[lane] = to[lane]; });
}

void WarpRunner::exit(uint32_t lanes) {
  for_lanes(active_ & ~lanes, [&](uint32_t lane) { warp_.pc[lane] = pc_ + 1; });
  land_copies(warp_, lanes);
  warp_.alive &= ~lanes;
  warp_.runnable &= ~lanes;
  // Lanes that waited for these wait no longer: exited lanes count as come.
  if (warp_.at_sync != 0) {
    warp_.runnable |= warp_.at_sync;
    warp_.at_sync = 0;
  }
}

// Runs the instruction when all named lanes that are alive stand here with the same mask; else
// these wait.
bool WarpRunner::sync(const Instruction& i, uint32_t lanes) {
  const uint32_t* members = warp_.at<uint32_t>(i.r[7]);
  // The usual case: everyone is here already.
  if (lanes == active_ && lanes == warp_.alive) {
    uint32_t differ = 0;
    for_lanes(lanes, [&](uint32_t lane) { differ |= (members[lane] & warp_.alive) ^ lanes; });
    if (differ == 0) {
      i.execute(warp_, i, lanes);
      ++pc_;
      return true;
    }
  }
  for_lanes(active_ & ~lanes, [&](uint32_t lane) { warp_.pc[lane] = pc_ + 1; });
  for_lanes(lanes, [&](uint32_t lane) {
    warp_.pc[lane] = pc_;
    warp_.sync_members[lane] = members[lane];
    if (((members[lane] >> lane) & 1) == 0) {
      report(NAMPEMU_BARRIER, warp_, i, lane,
             [&] { return "the member mask doesn't name this lane"; });
      throw LaunchFault(CUDA_ERROR_LAUNCH_FAILED, "member mask");
    }
  });
  warp_.runnable &= ~lanes;
  warp_.at_sync |= lanes;
  const uint32_t pc = pc_;
  for (uint32_t left = lanes; left != 0;) {
    const uint32_t mask = warp_.sync_members[lane_of(left)];
    uint32_t here = 0;
    for_lanes(warp_.at_sync, [&](uint32_t lane) {
      if (warp_.pc[lane] == pc && warp_.sync_members[lane] == mask) here |= 1U << lane;
    });
    left &= ~here;
    if ((mask & warp_.alive) != here) continue;
    i.execute(warp_, i, here);
    for_lanes(here, [&](uint32_t lane) { warp_.pc[lane] = pc + 1; });
    warp_.at_sync &= ~here;
    warp_.runnable |= here;
  }
  return false;
}

void WarpRunner::barrier(const Instruction& i, uint32_t lanes) {
  Block& block = *warp_.block;
  const auto kind = static_cast<BarrierKind>(i.option);
  for_lanes(active_ & ~lanes, [&](uint32_t lane) { warp_.pc[lane] = pc_ + 1; });
  for_lanes(lanes, [&](uint32_t lane) {
    warp_.pc[lane] = pc_;
    const uint32_t id = warp_.at<uint32_t>(i.r[2])[lane];
    const uint32_t expected =
        i.r[3] == kNone ? block.launch->threads() : warp_.at<uint32_t>(i.r[3])[lane];
    if (id > 15 || (i.r[3] != kNone && (expected == 0 || expected % kLanes != 0))) {
      report(NAMPEMU_BARRIER, warp_, i, lane, [&] {
        return "barrier " + std::to_string(id) + " for " + std::to_string(expected) +
               " threads isn't possible";
      });
      throw LaunchFault(CUDA_ERROR_LAUNCH_FAILED, "barrier");
    }
    Barrier& barrier = block.barriers[id];
    if (barrier.arrived != 0 && barrier.expected != expected) {
      report(NAMPEMU_BARRIER, warp_, i, lane, [&] {
        return "barrier " + std::to_string(id) + " is waited for by " +
               std::to_string(barrier.expected) + " and by " + std::to_string(expected) +
               " threads";
      });
    }
    barrier.expected = expected;
    barrier.warps |= 1U << warp_.index;
    ++barrier.arrived;
    if (i.r[1] != kNone) {
      const bool vote = ((warp_.mask(i.r[1]) >> lane) & 1) != 0;
      barrier.votes += vote != ((i.flags & kInvertedVote) != 0) ? 1 : 0;
    }
    warp_.barrier_id[lane] = static_cast<uint8_t>(id);
  });
  if (kind == BarrierKind::arrive) {
    for_lanes(lanes, [&](uint32_t lane) { warp_.pc[lane] = pc_ + 1; });
  } else {
    warp_.runnable &= ~lanes;
    warp_.at_barrier |= lanes;
  }
  release_ready_barriers(block);
}

namespace {

void write_result(Warp& warp, const Instruction& i, uint32_t lane, const Barrier& barrier) {
  const auto set = [&](bool value) {
    uint32_t& p = warp.mask(i.r[0]);
    p = (p & ~(1U << lane)) | (static_cast<uint32_t>(value) << lane);
  };
  switch (static_cast<BarrierKind>(i.option)) {
    case BarrierKind::popcount:
      warp.at<uint32_t>(i.r[0])[lane] = barrier.votes;
      break;
    case BarrierKind::all:
      set(barrier.votes == barrier.arrived);
      break;
    case BarrierKind::any:
      set(barrier.votes != 0);
      break;
    default:
      break;
  }
}

// A warp that stands at an aligned barrier in two places, or partly gone, isn't aligned.
void check_aligned(Warp& warp, uint32_t waiting) {
  const std::vector<Instruction>& code = warp.block->launch->kernel->code;
  const uint32_t first = lane_of(waiting);
  const Instruction& i = code[warp.pc[first]];
  if ((i.flags & kAligned) == 0) return;
  for_lanes(waiting, [&](uint32_t lane) {
    if (warp.pc[lane] != warp.pc[first]) {
      report(NAMPEMU_BARRIER, warp, code[warp.pc[lane]], lane,
             [] { return "threads of one warp wait at different aligned barriers"; });
    }
  });
}

void release(Block& block, uint32_t id) {
  const std::vector<Instruction>& code = block.launch->kernel->code;
  const Barrier barrier = block.barriers[id];
  uint32_t going_on = 0;
  for (Warp& warp : block.warps) {
    uint32_t waiting = 0;
    for_lanes(warp.at_barrier, [&](uint32_t lane) {
      if (warp.barrier_id[lane] == id) waiting |= 1U << lane;
    });
    if (waiting == 0) continue;
    going_on |= 1U << warp.index;
    check_aligned(warp, waiting);
    for_lanes(waiting, [&](uint32_t lane) {
      write_result(warp, code[warp.pc[lane]], lane, barrier);
      ++warp.pc[lane];
    });
    warp.at_barrier &= ~waiting;
    warp.runnable |= waiting;
  }
  block.barriers[id] = {};
  block.tick();
  if (barrier.expected < block.launch->threads()) {
    block.barriers_of_some.join(barrier.warps, going_on, block.time);
    for_lanes(going_on, [&](uint32_t warp) { block.barriers_time[warp] = block.time; });
  } else {
    block.barrier_time = block.time;
    block.barriers_of_some.clear();
  }
  block.order.barrier(block);
  block.device_order.barrier(block);
}

uint32_t exited(const Block& block) {
  uint32_t count = 0;
  for (const Warp& warp : block.warps) {
    count += static_cast<uint32_t>(std::popcount(warp.existing & ~warp.alive));
  }
  return count;
}

void report_exited(Block& block, uint32_t id) {
  const std::vector<Instruction>& code = block.launch->kernel->code;
  for (Warp& warp : block.warps) {
    for (uint32_t rest = warp.at_barrier; rest != 0; rest &= rest - 1) {
      const uint32_t lane = lane_of(rest);
      if (warp.barrier_id[lane] != id) continue;
      report(NAMPEMU_BARRIER, warp, code[warp.pc[lane]], lane,
             [] { return "some threads of the block exited without reaching this barrier"; });
      return;
    }
  }
}

}  // namespace

bool release_ready_barriers(Block& block) {
  bool any = false;
  for (uint32_t id = 0; id < block.barriers.size(); ++id) {
    const Barrier& barrier = block.barriers[id];
    if (barrier.arrived == 0) continue;
    if (barrier.arrived < barrier.expected) {
      // Only when nobody else can come.
      uint32_t alive_elsewhere = 0;
      for (const Warp& warp : block.warps)
        alive_elsewhere |= warp.runnable | warp.at_sync;
      const bool whole = barrier.expected == block.launch->threads();
      if (alive_elsewhere != 0 || !whole || barrier.arrived + exited(block) < barrier.expected)
        continue;
      report_exited(block, id);
    }
    release(block, id);
    any = true;
  }
  return any;
}

}  // namespace nampemu
