#include "abi/host_memory.h"

#include "abi/check.h"

namespace namp {

void HostMemory::add(void* pointer, int64_t bytes) {
  pieces_.emplace(reinterpret_cast<uintptr_t>(pointer), bytes);
}

void HostMemory::remove(void* pointer) {
  require(
      pieces_.erase(reinterpret_cast<uintptr_t>(pointer)) == 1,
      "pointer is not from namp_memory_allocate_host of this device, or was given back before.");
}

void HostMemory::check(const void* pointer, int64_t bytes, const char* name) const {
  const auto begin = reinterpret_cast<uintptr_t>(pointer);
  auto piece = pieces_.upper_bound(begin);
  if (piece != pieces_.begin()) {
    const auto& [base, size] = *--piece;
    const auto offset = static_cast<int64_t>(begin - base);
    if (offset <= size && bytes <= size - offset) return;
  }
  fail(NAMP_ERROR_INVALID_ARGUMENT,
       std::string(name) + " and the " + std::to_string(bytes) +
           " bytes from there do not lie in pinned memory of this device "
           "(namp_memory_allocate_host); copy other memory with namp_memory_copy.");
}

}  // namespace namp
