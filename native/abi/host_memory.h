// The pinned memory of the host that belongs to a device; only this may be given to a copy that is
// made later. Used under DeviceUse alone.
#pragma once

#include <cstdint>
#include <map>

namespace namp {

class HostMemory {
 public:
  void add(void* pointer, int64_t bytes);
  // Throws where it is none of ours.
  void remove(void* pointer);
  // Throws unless all of the bytes lie in one piece.
  void check(const void* pointer, int64_t bytes, const char* name) const;

  int64_t pieces() const { return static_cast<int64_t>(pieces_.size()); }

 private:
  std::map<uintptr_t, int64_t> pieces_;
};

}  // namespace namp
