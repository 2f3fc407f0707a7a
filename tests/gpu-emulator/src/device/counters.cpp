#include "device/counters.h"

namespace nampemu {
namespace {

void add(nampemu_traffic& total, const nampemu_traffic& more) {
  for (int i = 0; i < 5; ++i) {
    total.loaded[i] += more.loaded[i];
    total.stored[i] += more.stored[i];
    total.atomic[i] += more.atomic[i];
  }
}

}  // namespace

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
