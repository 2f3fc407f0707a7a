// Copies from global to shared memory that threads have asked for and not yet waited for (cp.async).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "exec/instruction.h"

namespace nampemu {

struct Warp;

// One instruction's requests, lane by lane.
struct AsyncCopy {
  static constexpr uint32_t kMostBytes = 16;
  using Bytes = std::array<std::byte, kMostBytes>;

  const Instruction* instruction = nullptr;
  uint32_t lanes = 0;                           // whose copies are under way
  std::array<uint64_t, kLanes> to{};            // in shared memory
  std::array<const std::byte*, kLanes> from{};  // the host's
  std::array<uint32_t, kLanes> bytes{};         // to read; the rest is filled with zeros
  std::array<uint32_t, kLanes> group{};         // the number of the group that it is of
  std::array<Bytes, kLanes> seen{};             // what was there to read when it was issued
};

// All copies of the lanes land: their threads end.
void land_copies(Warp& warp, uint32_t lanes);

}  // namespace nampemu
