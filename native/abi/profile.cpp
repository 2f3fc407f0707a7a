// namp_profile_*: the time of a program by function of the interface.
#include "abi/profile.h"

#include "abi/check.h"
#include "abi/wall.h"

namespace namp {

std::atomic<bool> profiling{false};

namespace {

std::atomic<ProfileSlot*> slots{nullptr};

}  // namespace

void ProfileSlot::list(const char* name) noexcept {
  if (listed.load(std::memory_order_relaxed) || listed.exchange(true)) return;
  function = name;
  next = slots.load(std::memory_order_relaxed);
  while (!slots.compare_exchange_weak(next, this, std::memory_order_release,
                                      std::memory_order_relaxed)) {
  }
}

}  // namespace namp

int32_t namp_profile_start(void) {
  return namp::wall([] {
    for (auto* slot = namp::slots.load(std::memory_order_acquire); slot; slot = slot->next) {
      slot->calls = 0;
      slot->nanoseconds = 0;
    }
    namp::profiling = true;
  });
}

int32_t namp_profile_stop(void) {
  return namp::wall([] { namp::profiling = false; });
}

int32_t namp_profile_read(namp_profile_entry* entries, int32_t* count, int32_t capacity) {
  return namp::wall([&] {
    namp::check_object(count, "count");
    if (namp::check_count(capacity, "capacity") > 0) namp::check_object(entries, "entries");
    int32_t found = 0;
    for (auto* slot = namp::slots.load(std::memory_order_acquire); slot; slot = slot->next) {
      const int64_t calls = slot->calls;
      if (calls == 0) continue;
      if (found < capacity) entries[found] = {slot->function, calls, slot->nanoseconds};
      ++found;
    }
    *count = found;
  });
}
