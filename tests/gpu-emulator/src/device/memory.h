// Device memory: addresses from one reserved stretch, never used twice, so that a stale pointer is always recognised. The host can read and write
// nothing there, as on hardware: what a device holds lies in a second stretch, which only the emulator knows. Pinned host memory is the exception,
// which lies at its own addresses. The shadows lie in stretches of their own, in proportion.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "device/region.h"

namespace nampemu {

class Memory {
 public:
  Memory();
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Null when there are no addresses left; the device's own limit is the caller's to keep. Without shadows nothing is known of who wrote what.
  Region* allocate(uint64_t bytes, int device, Space space, uint64_t context, bool shadows = true);
  // The pages go back; the addresses stay known as freed.
  void release(Region& region);

  // The region, alive or freed, that holds the address; null for none.
  Region* find(uint64_t address);
  // The last region that begins at or before the address, for messages.
  Region* nearest(uint64_t address);
  // "64 bytes after an allocation of 256 bytes"
  std::string describe(uint64_t address);

  // Clears who touched what: the launch number is about to start again.
  void clear_touches();

  // Whether it can be one of an allocation, now or later.
  bool is_address(uint64_t value) const;

  uint64_t live_bytes(int device) const;
  size_t live_count() const;
  template <class F>
  void each(F f) {
    for (auto& [base, region] : regions_)
      f(region);
  }

 private:
  std::map<uint64_t, Region> regions_;
  std::map<int, uint64_t> live_bytes_;
  uint64_t data_ = 0;
  uint64_t next_ = 0;
  std::byte* storage_ = nullptr;
  uint8_t* written_ = nullptr;
  Touch* touches_ = nullptr;
  Touch* byte_touches_ = nullptr;
  uint32_t* before_ = nullptr;
};

}  // namespace nampemu
