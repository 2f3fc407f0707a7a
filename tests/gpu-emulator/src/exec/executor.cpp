#include "exec/executor.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "driver/cuda_api.h"
#include "exec/control.h"
#include "exec/race.h"
#include "exec/trace.h"
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

// Unwritten memory is not 0 on a device: as a float this is a NaN.
constexpr uint8_t kGarbage = 0xff;

// Windows begin at a multiple of 256, so that an offset's alignment is the address's, which is the host's here.
void set_window(Region& region, Space space, std::vector<uint64_t>& memory, uint64_t bytes) {
  memory.assign((bytes + 512) / 8, uint64_t{kGarbage} * 0x0101010101010101U);
  region.space = space;
  region.size = bytes;
  region.base = (reinterpret_cast<uint64_t>(memory.data()) + 255) & ~uint64_t{255};
  region.bytes = reinterpret_cast<std::byte*>(region.base);
}

std::byte* aligned_registers(Storage& storage) {
  return reinterpret_cast<std::byte*>((reinterpret_cast<uint64_t>(storage.registers.data()) + 63) &
                                      ~uint64_t{63});
}

void prepare(Block& block, Launch& launch, Storage& storage) {
  const Kernel& kernel = *launch.kernel;
  const uint32_t threads = launch.threads();
  block.launch = &launch;
  set_window(block.shared, Space::shared, storage.shared, launch.shared_bytes);
  storage.shared_written.resize(launch.shared_bytes + 4);
  storage.touches.resize(launch.shared_bytes / 4 + 4);
  storage.byte_touches.resize(launch.shared_bytes + 4);
  if (launch.sampled_blocks == 0) {
    block.shared.written = storage.shared_written.data();
    block.shared.touches = storage.touches.data();
    block.shared.byte_touches = storage.byte_touches.data();
  }
  const uint64_t local = uint64_t{kernel.local_bytes} * threads;
  set_window(block.local, Space::local, storage.local, local);
  storage.local_written.resize(local + 4);
  block.local.written = storage.local_written.data();
  set_window(block.parameters, Space::param, storage.parameters, kernel.parameter_bytes);
  std::copy(launch.parameters.begin(), launch.parameters.end(), block.parameters.bytes);
  const uint32_t warps = (threads + kLanes - 1) / kLanes;
  storage.registers.resize(uint64_t{warps} * kernel.register_bytes + 64);
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
  block.barrier_time = 0;
  block.barriers_of_some.clear();
  block.barriers_time.fill(0);
  block.released.clear();
  block.order.start(race_block(linear), launch.threads(), &block.released);
  block.device_order.start(race_block(linear), launch.threads(), &launch.released);
  block.barriers.fill({});
  block.under_way.assign(block.under_way.size(), 0);
  block.copies_under_way = 0;
  std::fill(storage.shared_written.begin(), storage.shared_written.end(), uint8_t{0});
  std::fill(storage.local_written.begin(), storage.local_written.end(), uint8_t{0});
  std::fill(storage.touches.begin(), storage.touches.end(), Touch{});
  for (Warp& warp : block.warps) {
    warp.block = &block;
    warp.steps = 0;
    std::fill(warp.registers + kSpecialBytes, warp.registers + launch.kernel->constants_at,
              std::byte{kGarbage});
    warp.alive = warp.runnable = warp.existing;
    warp.at_barrier = warp.at_sync = 0;
    warp.sync_time = 0;
    warp.syncs.clear();
    warp.syncs_time.fill(0);
    warp.copies.clear();
    warp.copy_groups.fill(0);
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

[[noreturn]] void report_endless(Block& block) {
  for (Warp& warp : block.warps) {
    if (warp.alive == 0) continue;
    const auto lane = static_cast<uint32_t>(std::countr_zero(warp.alive));
    report(NAMPEMU_HANG, warp, block.launch->kernel->code[warp.pc[lane]], lane,
           [] { return "the block ran over its instructions (NAMPEMU_INSTRUCTIONS)"; });
    break;
  }
  throw LaunchFault(CUDA_ERROR_LAUNCH_TIMEOUT, "timeout");
}

// The order in which blocks and warps come, and how long a warp runs before another does.
class Schedule {
 public:
  explicit Schedule(const Launch& launch)
      : order_(launch.order), state_(launch.order.seed * 0x9e3779b97f4a7c15U + launch.number) {}

  bool drawn() const { return order_.seed != 0; }
  std::vector<uint32_t> blocks(uint64_t count) {
    std::vector<uint32_t> all(count);
    std::iota(all.begin(), all.end(), 0U);
    if (order_.reverse) std::reverse(all.begin(), all.end());
    if (drawn()) shuffle(all);
    return all;
  }
  template <class T>
  void shuffle(std::vector<T>& all) {
    for (size_t left = all.size(); left > 1; --left)
      std::swap(all[left - 1], all[draw() % left]);
  }
  // Mostly short; at times long enough for a warp's lanes to let each other in.
  uint32_t turn() {
    if (!drawn()) return kLongTurn;
    const uint64_t number = draw();
    return number % 4 == 0 ? kLongTurn : 1 + static_cast<uint32_t>(number >> 32) % 1024;
  }

 private:
  // SplitMix64: the same numbers everywhere.
  uint64_t draw() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  RunOrder order_;
  uint64_t state_;
};

void run_block(Block& block, Schedule& schedule) {
  const uint64_t limit = block.launch->counters.warp_instructions + block.launch->instruction_limit;
  std::vector<Warp*> warps;
  for (Warp& warp : block.warps)
    warps.push_back(&warp);
  while (true) {
    if (schedule.drawn()) schedule.shuffle(warps);
    bool ran = false;
    bool alive = false;
    for (Warp* warp : warps) {
      if (warp->runnable != 0) {
        WarpRunner(*warp).run(schedule.turn());
        ran = true;
      }
      alive = alive || warp->alive != 0;
    }
    if (!alive) return;
    if (!ran && !release_ready_barriers(block)) report_stuck(block);
    if (block.launch->counters.warp_instructions > limit) report_endless(block);
  }
}

// Runs some blocks of a large grid and scales what they did. The first and the last block count for what they reach alone, for their ends are those of
// the tensors. Where each block counts itself by an atomic, the last may have work of its own: it is told that all have come, and counted as it is.
// Atomics of any other kind need all blocks: false then, with nothing counted and no word changed.
template <class F>
bool run_sample(Launch& launch, F run) {
  Trace& trace = *launch.trace;
  const uint64_t blocks = launch.blocks();
  const auto count_of = [&](auto which) {
    const LaunchCounters before = std::exchange(launch.counters, {});
    which();
    return std::exchange(launch.counters, before);
  };
  const std::vector<uint64_t> sample = spread_blocks(launch.grid, launch.sampled_blocks);
  const LaunchCounters of_sample = count_of([&] {
    for (const uint64_t linear : sample)
      run(linear);
  });
  uint64_t counted = sample.size();
  if (std::find(sample.begin(), sample.end(), 0) == sample.end()) {
    count_of([&] { run(0); });
    ++counted;
  }
  if (trace.has_atomics()) {
    if (!trace.only_counts(counted)) {
      trace.restore();
      return false;
    }
    trace.count_more(blocks - 1 - counted);
  }
  const bool counts = trace.has_atomics();
  const LaunchCounters of_last = count_of([&] { run(blocks - 1); });
  trace.restore();
  const auto part = static_cast<double>(sample.size());
  launch.counters = counts
                        ? sum_of(scaled(of_sample, static_cast<double>(blocks - 1) / part), of_last)
                        : scaled(of_sample, static_cast<double>(blocks) / part);
  launch.blocks_run = counted + 1;
  return true;
}

}  // namespace

void run_launch(Launch& launch) {
  Storage storage;
  Block block;
  launch.slots.assign(launch.kernel->memory_slots + 1, nullptr);
  prepare(block, launch, storage);
  for (Warp& warp : block.warps) {
    warp.block = &block;
    set_thread_specials(warp, launch);
  }
  Schedule schedule(launch);
  const auto run = [&](uint64_t linear) {
    start(block, storage, linear);
    run_block(block, schedule);
    if (launch.trace == nullptr) return;
    for (const Warp& warp : block.warps)
      launch.trace->longest_warp = std::max(launch.trace->longest_warp, warp.steps);
  };
  // Of a grid that is hardly larger all run, so that a block is not taken twice.
  if (launch.sampled_blocks != 0 && launch.blocks() > 2 * uint64_t{launch.sampled_blocks} &&
      run_sample(launch, run)) {
    return;
  }
  for (const uint32_t linear : schedule.blocks(launch.blocks()))
    run(linear);
  launch.blocks_run = launch.blocks();
}

}  // namespace nampemu
