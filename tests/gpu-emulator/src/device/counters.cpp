#include "device/counters.h"

#include <array>
#include <bit>
#include <cmath>

namespace nampemu {
namespace {

// Nothing but counts, so they can be taken one after the other.
using Counts = std::array<uint64_t, sizeof(LaunchCounters) / sizeof(uint64_t)>;

void add(nampemu_traffic& total, const nampemu_traffic& more) {
  for (int i = 0; i < 5; ++i) {
    total.loaded[i] += more.loaded[i];
    total.stored[i] += more.stored[i];
    total.atomic[i] += more.atomic[i];
  }
}

}  // namespace

LaunchCounters scaled(const LaunchCounters& part, double factor) {
  auto counts = std::bit_cast<Counts>(part);
  for (uint64_t& count : counts)
    count = static_cast<uint64_t>(std::llround(static_cast<double>(count) * factor));
  return std::bit_cast<LaunchCounters>(counts);
}

LaunchCounters sum_of(const LaunchCounters& a, const LaunchCounters& b) {
  auto counts = std::bit_cast<Counts>(a);
  const auto more = std::bit_cast<Counts>(b);
  for (size_t i = 0; i < counts.size(); ++i)
    counts[i] += more[i];
  return std::bit_cast<LaunchCounters>(counts);
}

void add_launch(nampemu_counters& total, const LaunchCounters& launch) {
  total.thread_instructions += launch.thread_instructions;
  total.warp_instructions += launch.warp_instructions;
  total.constant_loaded += launch.constant_loaded;
  for (int i = 0; i < NAMPEMU_CLASSES; ++i)
    total.instructions[i] += launch.instructions[i];
  total.sectors_loaded += launch.sectors_loaded;
  total.sectors_stored += launch.sectors_stored;
  total.bank_conflicts += launch.bank_conflicts;
  add(total.global, launch.global);
  add(total.shared, launch.shared);
  add(total.local, launch.local);
}

}  // namespace nampemu
