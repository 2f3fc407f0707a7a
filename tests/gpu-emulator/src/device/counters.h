// Counting, for one launch and then for all.
#pragma once

#include <cstdint>

#include "nampemu.h"

namespace nampemu {

// The bytes that one launch moved and the instructions that it executed.
struct LaunchCounters {
  uint64_t thread_instructions = 0;
  uint64_t warp_instructions = 0;
  nampemu_traffic global{};
  nampemu_traffic shared{};
  nampemu_traffic local{};
  uint64_t constant_loaded = 0;
  uint64_t instructions[NAMPEMU_CLASSES] = {};
  uint64_t sectors_loaded = 0;
  uint64_t sectors_stored = 0;
  uint64_t bank_conflicts = 0;
  uint64_t lines = 0;  // of 128 bytes, as sectors; of a launch that is recorded
  // mma: instructions of warps, and products that they add.
  uint64_t matrix_instructions = 0;
  uint64_t matrix_products = 0;
};

// What a part of a launch's blocks did, for all of them.
LaunchCounters scaled(const LaunchCounters& part, double factor);
// Of each count, the second's beside the first's.
LaunchCounters sum_of(const LaunchCounters& a, const LaunchCounters& b);

// Adds what a launch did to a total.
void add_launch(nampemu_counters& total, const LaunchCounters& launch);

}  // namespace nampemu
