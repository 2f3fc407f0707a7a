#include "device/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace nampemu {
namespace {

constexpr uint64_t kAddresses = uint64_t{1} << 39;
constexpr uint64_t kAlignment = 256;  // a driver's
constexpr uint64_t kRedZone = 256;    // between any two allocations at least
constexpr uint64_t kPage = 4096;

constexpr int kReachable = PROT_READ | PROT_WRITE;

uint64_t round_up(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) & ~(multiple - 1);
}

void* reserve(uint64_t bytes, int protection = kReachable) {
  void* at = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  madvise(at, bytes, MADV_NOHUGEPAGE);
  return at;
}

// Gives whole pages inside the stretch back; they read as zero afterwards.
void forget(void* begin, uint64_t bytes) {
  const uint64_t from = round_up(reinterpret_cast<uint64_t>(begin), kPage);
  const uint64_t to = (reinterpret_cast<uint64_t>(begin) + bytes) & ~(kPage - 1);
  if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

}  // namespace

Memory::Memory() {
  data_ = reinterpret_cast<uint64_t>(reserve(kAddresses, PROT_NONE));
  next_ = data_ + kRedZone;
  storage_ = static_cast<std::byte*>(reserve(kAddresses));
  written_ = static_cast<uint8_t*>(reserve(kAddresses));
  touches_ = static_cast<Touch*>(reserve(kAddresses / 4 * sizeof(Touch)));
  byte_touches_ = static_cast<Touch*>(reserve(kAddresses * sizeof(Touch)));
  before_ = static_cast<uint32_t*>(reserve(kAddresses));
}

Memory::~Memory() {
  munmap(reinterpret_cast<void*>(data_), kAddresses);
  munmap(storage_, kAddresses);
  munmap(written_, kAddresses);
  munmap(touches_, kAddresses / 4 * sizeof(Touch));
  munmap(byte_touches_, kAddresses * sizeof(Touch));
  munmap(before_, kAddresses);
}

Region* Memory::allocate(uint64_t bytes, int device, Space space, uint64_t context, bool shadows) {
  const bool pinned = device < 0;
  const uint64_t alignment = pinned ? kPage : kAlignment;
  const uint64_t base = round_up(next_, alignment);
  const uint64_t size = round_up(bytes + kRedZone, alignment);
  const uint64_t end = data_ + kAddresses;
  if (size < bytes || base > end || size > end - base) return nullptr;
  Region region;
  region.base = base;
  region.size = bytes;
  const uint64_t offset = base - data_;
  if (pinned) {
    region.bytes = reinterpret_cast<std::byte*>(base);
    if (mprotect(region.bytes, size, kReachable) != 0) return nullptr;
  } else {
    region.bytes = storage_ + offset;
  }
  region.space = space;
  region.device = device;
  if (shadows) {
    region.written = written_ + offset;
    region.touches = touches_ + offset / 4;
    region.byte_touches = byte_touches_ + offset;
    region.before = before_ + offset / 4;
  }
  region.context = context;
  next_ = base + size;
  live_bytes_[device] += bytes;
  return &(regions_[region.base] = region);
}

void Memory::release(Region& region) {
  region.alive = false;
  live_bytes_[region.device] -= region.size;
  forget(region.bytes, region.size);
  if (region.device < 0) mprotect(region.bytes, round_up(region.size + kRedZone, kPage), PROT_NONE);
  if (region.touches == nullptr) return;
  forget(region.written, region.size);
  forget(region.touches, region.size / 4 * sizeof(Touch));
  forget(region.byte_touches, region.size * sizeof(Touch));
  forget(region.before, region.size);
}

Region* Memory::nearest(uint64_t address) {
  auto after = regions_.upper_bound(address);
  return after == regions_.begin() ? nullptr : &std::prev(after)->second;
}

Region* Memory::find(uint64_t address) {
  Region* region = nearest(address);
  return region != nullptr && region->holds(address, 1) ? region : nullptr;
}

std::string Memory::describe(uint64_t address) {
  const Region* region = nearest(address);
  if (!is_address(address) || region == nullptr) {
    return "no device memory is there";
  }
  const std::string what = std::string(region->alive ? "an allocation" : "a freed allocation") +
                           " of " + std::to_string(region->size) + " bytes";
  const uint64_t offset = address - region->base;
  if (offset < region->size) return "byte " + std::to_string(offset) + " of " + what;
  return std::to_string(offset - region->size) + " bytes after " + what;
}

void Memory::clear_touches() {
  const uint64_t used = round_up(next_ - data_, kPage);
  forget(touches_, used / 4 * sizeof(Touch));
  forget(byte_touches_, used * sizeof(Touch));
}

bool Memory::is_address(uint64_t value) const { return value - data_ < kAddresses; }

uint64_t Memory::live_bytes(int device) const {
  const auto found = live_bytes_.find(device);
  return found == live_bytes_.end() ? 0 : found->second;
}

size_t Memory::live_count() const {
  size_t count = 0;
  for (const auto& [base, region] : regions_) {
    count += region.alive && region.device >= 0 && !region.owned_by_module;
  }
  return count;
}

}  // namespace nampemu
