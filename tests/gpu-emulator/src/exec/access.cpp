#include "exec/access.h"

#include <algorithm>
#include <cstdio>

#include "driver/cuda_api.h"
#include "exec/lanes.h"

namespace nampemu {

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

namespace {

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

// The fault of one lane's access, if any; the region otherwise.
Region* check_lane(Warp& warp, const Instruction& i, uint32_t lane, uint64_t address,
                   uint32_t bytes, uint32_t alignment, Fault& fault) {
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
  if ((address & (alignment - 1)) != 0) {
    fault.kind = NAMPEMU_MISALIGNED;
    fault.result = CUDA_ERROR_MISALIGNED_ADDRESS;
    fault.text = "not a multiple of " + std::to_string(alignment);
    return nullptr;
  }
  return region;
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

}  // namespace

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

void resolve_at(Warp& warp, const Instruction& i, uint32_t lanes, uint32_t bytes,
                uint32_t alignment, const char* verb, Access& access) {
  access.lanes = lanes;
  access.bytes = bytes;
  const uint64_t* address = access.address.data();
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
  if (access.region != nullptr && (bits & (alignment - 1)) == 0) {
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
    if (const Region* region = check_lane(warp, i, lane, address[lane], bytes, alignment, fault)) {
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

}  // namespace nampemu
