#include "driver/range.h"

#include <cstring>

namespace nampemu {

Region* find_range(Emulator& e, uint64_t address, uint64_t bytes) {
  Region* region = e.memory().find(address);
  return region != nullptr && region->alive && region->holds(address, bytes) ? region : nullptr;
}

Region* check_range(Emulator& e, const std::string& who, uint64_t address, uint64_t bytes,
                    const char* verb) {
  Region* region = e.memory().find(address);
  const bool freed = region != nullptr && !region->alive;
  if (region != nullptr && !freed && region->holds(address, bytes)) {
    if (region->device < 0 || Emulator::current() == nullptr ||
        region->device == Emulator::current()->device) {
      return region;
    }
  }
  char text[64];
  std::snprintf(text, sizeof text, "%llu bytes at 0x%llx", static_cast<unsigned long long>(bytes),
                static_cast<unsigned long long>(address));
  const uint64_t last = region != nullptr && !freed ? address + bytes - 1 : address;
  e.report(freed ? NAMPEMU_USE_AFTER_FREE : NAMPEMU_OUT_OF_BOUNDS, who + verb,
           who + ": a " + verb + " of " + text + ": " + e.memory().describe(last));
  return nullptr;
}

bool report_unwritten(Emulator& e, const std::string& who, const Region& region, uint64_t address,
                      uint64_t bytes) {
  if (region.written == nullptr) return true;
  const void* hole = std::memchr(region.written + (address - region.base), 0, bytes);
  if (hole == nullptr) return true;
  const auto byte = static_cast<const uint8_t*>(hole) - region.written;
  e.report(NAMPEMU_UNWRITTEN_READ, who,
           who + ": reads " + std::to_string(bytes) + " bytes of which byte " +
               std::to_string(byte) + " of the allocation was never written");
  return false;
}

}  // namespace nampemu
