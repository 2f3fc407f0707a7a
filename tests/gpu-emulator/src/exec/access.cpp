#include "exec/access.h"

#include <algorithm>
#include <cstring>

#include "driver/cuda_api.h"
#include "exec/lanes.h"
#include "exec/race.h"

namespace nampemu {
namespace {

std::string hexadecimal(uint64_t value) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

const char* space_name(Space space) {
  switch (space) {
    case Space::global:
      return "global";
    case Space::shared:
      return "shared";
    case Space::local:
      return "local";
    case Space::constant:
      return "constant";
    case Space::param:
      return "parameter";
    default:
      return "generic";
  }
}

// Block-local windows: null when the address is in none of them.
Region* find_window(Block& block, uint64_t address) {
  for (Region* region : {&block.shared, &block.local, &block.parameters}) {
    if (address - region->base < region->size) return region;
  }
  return nullptr;
}

struct Fault {
  nampemu_kind kind;
  int result;
  std::string text;
};

// What is wrong with one lane's access, if anything; the region otherwise.
Region* check_lane(Warp& warp, const Instruction& i, uint32_t lane, uint64_t address,
                   uint32_t bytes, Fault& fault) {
  Block& block = *warp.block;
  Region* region = nullptr;
  switch (i.space) {
    case Space::shared:
      region = &block.shared;
      break;
    case Space::local:
      region = &block.local;
      break;
    case Space::param:
      region = &block.parameters;
      break;
    case Space::generic:
      region = find_window(block, address);
      break;
    default:
      break;
  }
  const bool window = region != nullptr;
  if (!window) region = block.launch->memory->find(address);
  fault.kind = NAMPEMU_OUT_OF_BOUNDS;
  fault.result = CUDA_ERROR_ILLEGAL_ADDRESS;
  if (region == nullptr || !region->holds(address, bytes)) {
    if (window && i.space != Space::generic) {
      fault.text = "offset " + hexadecimal(address - region->base) + " of " +
                   std::to_string(region->size) + " bytes of " + space_name(i.space) + " memory";
    } else {
      fault.text =
          block.launch->memory->describe(region != nullptr ? address + bytes - 1 : address);
      const Region* nearest = block.launch->memory->nearest(address);
      if (nearest != nullptr && nearest->holds(address, 1) && !nearest->alive) {
        fault.kind = NAMPEMU_USE_AFTER_FREE;
      }
    }
    return nullptr;
  }
  if (!window) {
    if (!region->alive) {
      fault.kind = NAMPEMU_USE_AFTER_FREE;
      fault.text = block.launch->memory->describe(address);
      return nullptr;
    }
    if (region->device >= 0 && region->device != block.launch->device) {
      fault.text = "the memory is device " + std::to_string(region->device) + "'s";
      return nullptr;
    }
    if ((i.space == Space::constant) != (region->space == Space::constant) &&
        i.space != Space::generic) {
      fault.text = std::string("the address is of ") + space_name(region->space) + " memory";
      return nullptr;
    }
  }
  if (region == &block.local) {
    const uint64_t own = block.local_base(warp.thread(lane));
    if (address - own >= block.launch->kernel->local_bytes ||
        bytes > block.launch->kernel->local_bytes - (address - own)) {
      fault.text = "outside this thread's local memory";
      return nullptr;
    }
  }
  if ((address & (std::min(bytes, 16U) - 1)) != 0) {
    fault.kind = NAMPEMU_MISALIGNED;
    fault.result = CUDA_ERROR_MISALIGNED_ADDRESS;
    fault.text = "not a multiple of " + std::to_string(bytes);
    return nullptr;
  }
  return region;
}

void collect_addresses(Warp& warp, const Instruction& i, uint32_t lanes, uint32_t at,
                       uint64_t* out) {
  const auto offset = static_cast<uint64_t>(i.immediate);
  uint64_t base = offset;
  if (i.space == Space::shared) base += warp.block->shared.base;
  if (i.space == Space::param) base += warp.block->parameters.base;
  if ((i.flags & kAddress32) != 0) {
    const uint32_t* a = warp.at<uint32_t>(at);
    each_lane(lanes, [=](uint32_t l) { out[l] = base + a[l]; });
  } else {
    const uint64_t* a = warp.at<uint64_t>(at);
    each_lane(lanes, [=](uint32_t l) { out[l] = base + a[l]; });
  }
  if (i.space == Space::local) {
    const uint64_t frame = warp.block->launch->kernel->local_bytes;
    const uint64_t first = warp.block->local_base(warp.thread(0));
    each_lane(lanes, [=](uint32_t l) { out[l] += first + l * frame; });
  }
}

bool all_at(const uint64_t* address, uint64_t stride) {
  uint64_t differ = 0;
  for (uint32_t l = 0; l < kLanes; ++l)
    differ |= address[l] ^ (address[0] + l * stride);
  return differ == 0;
}

// Region that holds least to greatest, without a search when the last one does.
Region* quick_region(Warp& warp, const Instruction& i, uint64_t least, uint64_t greatest,
                     uint32_t bytes) {
  Block& block = *warp.block;
  Region* region;
  switch (i.space) {
    case Space::shared:
      region = &block.shared;
      break;
    case Space::param:
      region = &block.parameters;
      break;
    case Space::local:
      return nullptr;  // each lane has its own frame
    default: {
      Region*& slot = block.launch->slots[i.slot];
      if (slot == nullptr || !slot->holds(least, 1)) {
        if (i.space == Space::generic && find_window(block, least) != nullptr) {
          region = find_window(block, least);
          if (region == &block.local) return nullptr;
          break;
        }
        slot = block.launch->memory->find(least);
      }
      region = slot;
      if (region == nullptr || !region->alive || region->device == block.launch->device) break;
      if (region->device >= 0) return nullptr;
    }
  }
  if (region == nullptr || !region->alive || !region->holds(least, bytes) ||
      !region->holds(greatest, bytes)) {
    return nullptr;
  }
  if (i.space != Space::generic && i.space != Space::shared && i.space != Space::param &&
      (i.space == Space::constant) != (region->space == Space::constant)) {
    return nullptr;
  }
  return region;
}

void check_written(Warp& warp, const Instruction& i, const Region& region, uint64_t address,
                   uint32_t bytes, uint32_t lane) {
  if (region.written == nullptr) return;
  const uint8_t* shadow = region.written + (address - region.base);
  if (bytes == 4) {  // a word alone: four ones
    uint32_t marks;
    std::memcpy(&marks, shadow, 4);
    if (marks == 0x01010101U) return;
  }
  const void* hole = std::memchr(shadow, 0, bytes);
  if (hole == nullptr) return;
  report(NAMPEMU_UNWRITTEN_READ, warp, i, lane, [&] {
    const auto byte = static_cast<uint64_t>(static_cast<const uint8_t*>(hole) - region.written);
    return "a load of " + std::to_string(bytes) + " bytes at " + hexadecimal(address) + ": byte " +
           std::to_string(byte) + " of the " + std::to_string(region.size) + " bytes of " +
           space_name(region.space) + " memory was never written";
  });
}

void touch_all(Warp& warp, const Instruction& i, const Access& access, Touching how) {
  uint32_t lanes = access.lanes;
  // Many readers of one address leave the same mark as two.
  if (access.uniform && how != Touching::write && std::popcount(lanes) > 2) {
    const uint32_t without_first = lanes & (lanes - 1);
    lanes = (lanes & ~without_first) | (without_first & ~(without_first - 1));
  }
  if (access.region != nullptr && access.bytes % 4 == 0) {
    return touch_words(*access.region, warp, i, lanes, access.address.data(), access.bytes, how);
  }
  for (; lanes != 0; lanes &= lanes - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(lanes));
    touch(region_of(warp, i, access, lane), warp, i, lane, access.address[lane], access.bytes, how);
  }
}

// What an atomic access tells and hears: a load hears, a store tells, an atomic does both unless it gives nothing back (red).
struct Telling {
  bool hears, tells, overwrites;
};

void synchronize(Warp& warp, const Instruction& i, const Access& access, Telling telling) {
  if ((i.flags & kSynchronizes) == 0) return;
  const bool of_device = (i.flags & kBlockScope) == 0;
  if ((i.flags & kFenceBefore) != 0) fence(warp, access.lanes, of_device);
  const auto tell = [&](Order& order) {
    if (order.idle()) return;
    for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
      const uint64_t address = access.address[lane];
      if (telling.hears) order.acquire(warp, lane, address, (i.flags & kFenceAfter) != 0);
      if (telling.tells) order.release(warp, lane, address, telling.overwrites);
    }
  };
  Block& block = *warp.block;
  tell(block.order);
  const auto first = static_cast<uint32_t>(std::countr_zero(access.lanes));
  if (of_device && !block.shared.holds(access.address[first], 1)) tell(block.device_order);
}

}  // namespace

void resolve(Warp& warp, const Instruction& i, uint32_t lanes, uint32_t at, uint32_t bytes,
             const char* verb, Access& access) {
  access.lanes = lanes;
  access.bytes = bytes;
  uint64_t* address = access.address.data();
  collect_addresses(warp, i, lanes, at, address);
  const auto first = static_cast<uint32_t>(std::countr_zero(lanes));
  uint64_t least = address[first];
  uint64_t greatest = least;
  uint64_t bits = 0;
  access.contiguous = lanes == kAllLanes && all_at(address, bytes);
  if (access.contiguous) {
    greatest = address[kLanes - 1];
    bits = least;
  } else {
    for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
      const uint64_t a = address[std::countr_zero(rest)];
      least = std::min(least, a);
      greatest = std::max(greatest, a);
      bits |= a;
    }
  }
  access.uniform = least == greatest;
  access.region = quick_region(warp, i, least, greatest, bytes);
  if (access.region != nullptr && (bits & (std::min(bytes, 16U) - 1)) == 0) {
    const uint64_t base = access.region->base;
    std::byte* const memory = access.region->bytes;
    std::byte** const host = access.host.data();
    if (access.contiguous) {
      host[0] = memory + (least - base);
    } else {
      each_lane(lanes, [=](uint32_t l) { host[l] = memory + (address[l] - base); });
    }
    return;
  }
  access.region = nullptr;
  access.contiguous = false;
  int result = 0;
  for (uint32_t rest = lanes; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    Fault fault;
    if (const Region* region = check_lane(warp, i, lane, address[lane], bytes, fault)) {
      access.host[lane] = region->at(address[lane]);
      continue;
    }
    result = fault.result;
    report(fault.kind, warp, i, lane, [&] {
      return std::string("a ") + verb + " of " + std::to_string(bytes) + " bytes at " +
             hexadecimal(address[lane]) + ": " + fault.text;
    });
  }
  if (result != 0) throw LaunchFault(result, verb);
}

Access only(const Access& access, uint32_t lanes) {
  Access some = access;
  if (access.contiguous && lanes != access.lanes) {
    some.contiguous = false;
    each_lane(lanes, [&](uint32_t lane) { some.host[lane] = access.at(lane); });
  }
  some.lanes = lanes;
  return some;
}

Region& region_of(Warp& warp, const Instruction& i, const Access& access, uint32_t lane) {
  if (access.region != nullptr) return *access.region;
  Block& block = *warp.block;
  if (i.space == Space::local) return block.local;
  if (i.space == Space::generic) {
    if (Region* window = find_window(block, access.address[lane])) return *window;
  }
  return *block.launch->memory->find(access.address[lane]);
}

nampemu_traffic* traffic_of(Launch& launch, Space space) {
  switch (space) {
    case Space::global:
      return &launch.counters.global;
    case Space::shared:
      return &launch.counters.shared;
    case Space::local:
      return &launch.counters.local;
    default:
      return nullptr;
  }
}

namespace {

// The sectors of 32 bytes that an access touches; none of its lanes crosses the border of one.
uint32_t count_sectors(const Access& access) {
  constexpr uint64_t kSector = 32;
  if (access.contiguous) {
    const uint64_t last = access.address[kLanes - 1] + access.bytes - 1;
    return static_cast<uint32_t>(last / kSector - access.address[0] / kSector + 1);
  }
  std::array<uint64_t, kLanes> sectors;
  size_t count = 0;
  for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
    const uint64_t sector = access.address[static_cast<uint32_t>(std::countr_zero(rest))] / kSector;
    if (count == 0 || sectors[count - 1] != sector) sectors[count++] = sector;
  }
  const auto end = sectors.begin() + static_cast<ptrdiff_t>(count);
  if (!std::is_sorted(sectors.begin(), end)) std::sort(sectors.begin(), end);
  return static_cast<uint32_t>(std::unique(sectors.begin(), end) - sectors.begin());
}

// The space of a generic access is its region's. Which: loaded, stored or atomic.
void count(Warp& warp, const Instruction& i, const Access& access,
           uint64_t (nampemu_traffic::*which)[5]) {
  Launch& launch = *warp.block->launch;
  if ((i.flags & kOfParameters) != 0 || i.space == Space::param) return;
  const auto first = static_cast<uint32_t>(std::countr_zero(access.lanes));
  const Space space = i.space == Space::generic ? region_of(warp, i, access, first).space : i.space;
  const uint64_t bytes =
      uint64_t{access.bytes} * static_cast<uint64_t>(std::popcount(access.lanes));
  if (nampemu_traffic* traffic = traffic_of(launch, space)) {
    (traffic->*which)[width_index(access.bytes)] += bytes;
    if (space == Space::global && which != &nampemu_traffic::atomic) {
      (which == &nampemu_traffic::loaded ? launch.counters.sectors_loaded
                                         : launch.counters.sectors_stored) += count_sectors(access);
    }
  } else {
    launch.counters.constant_loaded += bytes;
  }
}

}  // namespace

void note_load(Warp& warp, const Instruction& i, const Access& access) {
  count(warp, i, access, &nampemu_traffic::loaded);
  if (access.contiguous && access.region != nullptr) {
    check_written(warp, i, *access.region, access.address[0], access.bytes * kLanes, 0);
  } else {
    for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
      check_written(warp, i, region_of(warp, i, access, lane), access.address[lane], access.bytes,
                    lane);
      if (access.uniform && access.region != nullptr) break;
    }
  }
  synchronize(warp, i, access, {true, false, false});
  touch_all(warp, i, access,
            (i.flags & kConstantRead) != 0   ? Touching::constant_read
            : (i.flags & kAtomicAccess) != 0 ? Touching::atomic_read
                                             : Touching::read);
}

void note_store(Warp& warp, const Instruction& i, const Access& access) {
  count(warp, i, access, &nampemu_traffic::stored);
  const auto mark = [](const Region& region, uint64_t address, uint64_t bytes) {
    if (region.written != nullptr) std::memset(region.written + (address - region.base), 1, bytes);
  };
  if (access.contiguous && access.region != nullptr) {
    mark(*access.region, access.address[0], uint64_t{access.bytes} * kLanes);
  } else {
    for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
      const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
      mark(region_of(warp, i, access, lane), access.address[lane], access.bytes);
    }
  }
  synchronize(warp, i, access, {false, true, true});
  touch_all(warp, i, access, (i.flags & kAtomicAccess) != 0 ? Touching::atomic : Touching::write);
}

void note_atomic(Warp& warp, const Instruction& i, const Access& access) {
  count(warp, i, access, &nampemu_traffic::atomic);
  for (uint32_t rest = access.lanes; rest != 0; rest &= rest - 1) {
    const auto lane = static_cast<uint32_t>(std::countr_zero(rest));
    check_written(warp, i, region_of(warp, i, access, lane), access.address[lane], access.bytes,
                  lane);
  }
  synchronize(warp, i, access, {i.r[0] != kNone, true, false});
  touch_all(warp, i, access, Touching::atomic);
}

}  // namespace nampemu
