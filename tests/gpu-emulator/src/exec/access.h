// From the addresses of a warp's lanes to host memory: which region, live, in bounds, aligned,
// written. Every load, store and atomic goes through resolve.
#pragma once

#include <algorithm>
#include <array>
#include <bit>

#include "exec/block.h"

namespace nampemu {

// flags of memory instructions.
enum : uint16_t {
  kAddress32 = 1,      // the address register has 32 bits
  kConstantRead = 2,   // .nc
  kAtomicAccess = 4,   // volatile, relaxed, acquire, release: not a race with its like
  kSynchronizes = 8,   // takes part in ordering blocks
  kFenceBefore = 16,   // release, acq_rel
  kOfParameters = 32,  // call parameters: registers on a device, so not counted
  kFenceAfter = 64,    // acquire, acq_rel
  kBlockScope = 128,   // .cta: tells other blocks nothing
};

struct Access {
  std::array<uint64_t, kLanes> address;  // generic, of each active lane
  Region* region = nullptr;              // that holds all lanes; null: they differ, look each up
  uint32_t lanes = 0;
  uint32_t bytes = 0;       // of a lane
  bool contiguous = false;  // all 32 lanes, one after the other
  bool uniform = false;     // all active lanes at one address
  // Where what each active lane's address names lies; the first lane's alone where they are contiguous.
  std::array<std::byte*, kLanes> host;

  std::byte* at(uint32_t lane) const {
    return contiguous ? host[0] + uint64_t{lane} * bytes : host[lane];
  }
};

// The addresses that lanes name by a register.
void collect_addresses(Warp& warp, const Instruction& i, uint32_t lanes, uint32_t address_register,
                       uint64_t* out);
// Throws LaunchFault after reporting when a lane's address, which the access has, is bad. verb: "load", "store", "atomic".
void resolve_at(Warp& warp, const Instruction& i, uint32_t lanes, uint32_t bytes,
                uint32_t alignment, const char* verb, Access& access);
// Both, for an access that is aligned to its width.
inline void resolve(Warp& warp, const Instruction& i, uint32_t lanes, uint32_t address_register,
                    uint32_t bytes, const char* verb, Access& access) {
  collect_addresses(warp, i, lanes, address_register, access.address.data());
  resolve_at(warp, i, lanes, bytes, std::min(bytes, 16U), verb, access);
}
// The same of some of its lanes.
Access only(const Access& access, uint32_t lanes);
// The region of one lane; it was checked by resolve.
Region& region_of(Warp& warp, const Instruction& i, const Access& access, uint32_t lane);

// Shadow work for a whole access: reports unwritten reads and races; a store marks bytes as
// written.
void note_load(Warp& warp, const Instruction& i, const Access& access);
void note_store(Warp& warp, const Instruction& i, const Access& access);
void note_atomic(Warp& warp, const Instruction& i, const Access& access);
// Of a store, the race that it may be, and nothing else.
void touch_store(Warp& warp, const Instruction& i, const Access& access);

// A race where the access meets bytes of shared memory that a cp.async under way writes.
void report_copies(Warp& warp, const Instruction& i, const Access& access);
inline void check_copies(Warp& warp, const Instruction& i, const Access& access) {
  if (warp.block->copies_under_way != 0) report_copies(warp, i, access);
}

// For messages.
std::string hexadecimal(uint64_t value);
const char* space_name(Space space);

// The traffic of a space; null where nothing is counted.
nampemu_traffic* traffic_of(Launch& launch, Space space);
inline uint32_t width_index(uint32_t bytes) {
  return std::min(4U, static_cast<uint32_t>(std::countr_zero(bytes)));
}

}  // namespace nampemu
