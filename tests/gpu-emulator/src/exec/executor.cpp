#include "exec/executor.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "driver/cuda_api.h"
#include "exec/control.h"
#include "exec/warp_runner.h"

namespace nampemu {

std::string where(const Warp& warp, const Instruction& i, uint32_t lane) {
  const Block& block = *warp.block;
  const auto& size = block.launch->block;
  const uint32_t t = warp.thread(lane);
  const auto triple = [](uint32_t x, uint32_t y, uint32_t z) {
    return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")";
  };
  return "kernel " + block.launch->kernel->name + ", PTX line " + std::to_string(i.line) +
         ", block " + triple(block.index[0], block.index[1], block.index[2]) + ", thread " +
         triple(t % size[0], t / size[0] % size[1], t / size[0] / size[1]);
}

namespace {

// Memory that blocks use one after the other.
struct Storage {
  std::vector<uint64_t> shared, local, parameters;  // 64-bit for alignment; see align()
  std::vector<uint8_t> shared_written, local_written, parameters_written;
  std::vector<Touch> touches, byte_touches;
  std::vector<std::byte> registers;
};

// Windows begin at a multiple of 256, so that an offset's alignment is the address's.
uint64_t window(std::vector<uint64_t>& memory, uint64_t bytes) {
  memory.assign((bytes + 512) / 8, 0);
  return (reinterpret_cast<uint64_t>(memory.data()) + 255) & ~uint64_t{255};
}

std::byte* aligned_registers(Storage& storage) {
  return reinterpret_cast<std::byte*>((reinterpret_cast<uint64_t>(storage.registers.data()) + 63) &
                                      ~uint64_t{63});
}

void prepare(Block& block, Launch& launch, Storage& storage) {
  const Kernel& kernel = *launch.kernel;
  const uint32_t threads = launch.threads();
  block.launch = &launch;
  block.shared.space = Space::shared;
  block.shared.size = launch.shared_bytes;
  block.shared.base = window(storage.shared, launch.shared_bytes);
  storage.shared_written.resize(launch.shared_bytes + 4);
  storage.touches.resize(launch.shared_bytes / 4 + 4);
  storage.byte_touches.resize(launch.shared_bytes + 4);
  block.shared.written = storage.shared_written.data();
  block.shared.touches = storage.touches.data();
  block.shared.byte_touches = storage.byte_touches.data();
  const uint64_t local = uint64_t{kernel.local_bytes} * threads;
  block.local.space = Space::local;
  block.local.size = local;
  block.local.base = window(storage.local, local);
  storage.local_written.resize(local + 4);
  block.local.written = storage.local_written.data();
  block.parameters.space = Space::param;
  block.parameters.size = kernel.parameter_bytes;
  block.parameters.base = window(storage.parameters, kernel.parameter_bytes);
  std::copy(launch.parameters.begin(), launch.parameters.end(),
            block.parameters.at(block.parameters.base));
  const uint32_t warps = (threads + kLanes - 1) / kLanes;
  storage.registers.assign(uint64_t{warps} * kernel.register_bytes + 64, std::byte{0});
  block.warps.resize(warps);
  for (uint32_t w = 0; w < warps; ++w) {
    Warp& warp = block.warps[w];
    warp.registers = aligned_registers(storage) + uint64_t{w} * kernel.register_bytes;
    warp.index = w;
    const uint32_t lanes = std::min(kLanes, threads - w * kLanes);
    warp.existing = lanes == kLanes ? kAllLanes : (1U << lanes) - 1;
    std::copy(kernel.constants.begin(), kernel.constants.end(),
              warp.registers + kernel.constants_at);
  }
}

void fill(Warp& warp, Special special, uint32_t value) {
  std::fill_n(warp.at<uint32_t>(special_offset(special)), kLanes, value);
}

void set_thread_specials(Warp& warp, const Launch& launch) {
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    const auto set = [&](Special s, uint32_t value) {
      warp.at<uint32_t>(special_offset(s))[lane] = value;
    };
    const uint32_t t = warp.thread(lane);
    set(Special::tid_x, t % launch.block[0]);
    set(Special::tid_y, t / launch.block[0] % launch.block[1]);
    set(Special::tid_z, t / launch.block[0] / launch.block[1]);
    set(Special::laneid, lane);
    const uint32_t below = (1U << lane) - 1;
    set(Special::mask_eq, 1U << lane);
    set(Special::mask_lt, below);
    set(Special::mask_le, below | (1U << lane));
    set(Special::mask_gt, ~(below | (1U << lane)));
    set(Special::mask_ge, ~below);
  }
  fill(warp, Special::ntid_x, launch.block[0]);
  fill(warp, Special::ntid_y, launch.block[1]);
  fill(warp, Special::ntid_z, launch.block[2]);
  fill(warp, Special::nctaid_x, launch.grid[0]);
  fill(warp, Special::nctaid_y, launch.grid[1]);
  fill(warp, Special::nctaid_z, launch.grid[2]);
  fill(warp, Special::warpid, warp.index);
  fill(warp, Special::nwarpid, 32);
  fill(warp, Special::nsmid, launch.multiprocessors);
  fill(warp, Special::gridid, static_cast<uint32_t>(launch.number));
  fill(warp, Special::total_smem, launch.shared_bytes);
  fill(warp, Special::dynamic_smem, launch.dynamic_shared);
  fill(warp, Special::warp_size, kLanes);
}

void start(Block& block, Storage& storage, uint64_t linear) {
  Launch& launch = *block.launch;
  block.linear = linear;
  block.index = {static_cast<uint32_t>(linear % launch.grid[0]),
                 static_cast<uint32_t>(linear / launch.grid[0] % launch.grid[1]),
                 static_cast<uint32_t>(linear / launch.grid[0] / launch.grid[1])};
  block.time = 1;
  block.barrier_time = block.fence_time = 0;
  block.seen.clear();
  block.barriers.fill({});
  std::fill(storage.shared_written.begin(), storage.shared_written.end(), uint8_t{0});
  std::fill(storage.local_written.begin(), storage.local_written.end(), uint8_t{0});
  std::fill(storage.touches.begin(), storage.touches.end(), Touch{});
  for (Warp& warp : block.warps) {
    warp.block = &block;
    warp.alive = warp.runnable = warp.existing;
    warp.at_barrier = warp.at_sync = 0;
    warp.sync_time = 0;
    warp.pc.fill(launch.kernel->entry);
    fill(warp, Special::ctaid_x, block.index[0]);
    fill(warp, Special::ctaid_y, block.index[1]);
    fill(warp, Special::ctaid_z, block.index[2]);
    fill(warp, Special::smid, static_cast<uint32_t>(linear % launch.multiprocessors));
  }
}

// Nobody can run and somebody waits: says who and for what, and ends the launch.
[[noreturn]] void report_stuck(Block& block) {
  const std::vector<Instruction>& code = block.launch->kernel->code;
  for (Warp& warp : block.warps) {
    for (uint32_t rest = warp.at_barrier | warp.at_sync; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
      report(NAMPEMU_BARRIER, warp, code[warp.pc[lane]], lane, [&] {
        return std::string(((warp.at_sync >> lane) & 1) != 0
                               ? "waits for lanes of its warp that never come"
                               : "waits at a barrier that others never reach");
      });
    }
  }
  throw LaunchFault(CUDA_ERROR_LAUNCH_FAILED, "deadlock");
}

void run_block(Block& block) {
  const uint64_t limit = block.launch->counters.warp_instructions + block.launch->instruction_limit;
  while (true) {
    bool ran = false;
    bool alive = false;
    for (Warp& warp : block.warps) {
      if (warp.runnable != 0) {
        WarpRunner(warp).run();
        ran = true;
      }
      alive = alive || warp.alive != 0;
    }
    if (!alive) return;
    if (!ran && !release_ready_barriers(block)) report_stuck(block);
    if (block.launch->counters.warp_instructions > limit) {
      for (Warp& warp : block.warps) {
        if (warp.alive == 0) continue;
        const auto lane = static_cast<uint32_t>(std::countr_zero(warp.alive));
        report(NAMPEMU_HANG, warp, block.launch->kernel->code[warp.pc[lane]], lane,
               [] { return "the block ran over its instructions (NAMPEMU_INSTRUCTIONS)"; });
        break;
      }
      throw LaunchFault(CUDA_ERROR_LAUNCH_TIMEOUT, "timeout");
    }
  }
}

// Position k of a launch's order. Shuffled by a walk with a step that shares no factor with the
// count.
uint64_t block_at(uint64_t k, uint64_t count, BlockOrder order) {
  if (order == BlockOrder::reverse) return count - 1 - k;
  if (order == BlockOrder::forward || count < 3) return k;
  uint64_t step = count / 2 + 1;
  while (std::gcd(step, count) != 1)
    ++step;
  return (k * step + count / 3) % count;
}

}  // namespace

void run_launch(Launch& launch, BlockOrder order) {
  Storage storage;
  Block block;
  launch.slots.assign(launch.kernel->memory_slots + 1, nullptr);
  prepare(block, launch, storage);
  for (Warp& warp : block.warps) {
    warp.block = &block;
    set_thread_specials(warp, launch);
  }
  const uint64_t count = launch.blocks();
  for (uint64_t k = 0; k < count; ++k) {
    start(block, storage, block_at(k, count, order));
    run_block(block);
  }
}

}  // namespace nampemu
