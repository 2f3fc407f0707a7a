#include "cuda/staging.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <utility>

namespace namp::cuda {

void Staging::make(Slot& slot) {
  void* memory = nullptr;
  const Result result = driver().cuMemHostAlloc.attempt(&memory, kSlotBytes, 0);
  if (result == kErrorOutOfMemory) throw_out_of_pinned_memory(kSlotBytes, result);
  if (result != kSuccess) throw_driver_error(result, driver().cuMemHostAlloc.name());
  const Result created = driver().cuEventCreate.attempt(&slot.passed, kEventDisableTiming);
  if (created != kSuccess) {
    driver().cuMemFreeHost.attempt(memory);
    throw_driver_error(created, driver().cuEventCreate.name());
  }
  slot.memory = static_cast<char*>(memory);
}

void Staging::destroy(Slot& slot) noexcept {
  if (slot.memory == nullptr) return;
  if (slot.in_use) driver().cuEventSynchronize.attempt(slot.passed);
  driver().cuEventDestroy.attempt(slot.passed);
  driver().cuMemFreeHost.attempt(slot.memory);
  slot = Slot{};
}

void Staging::release() noexcept {
  std::for_each(std::begin(uploads_), std::end(uploads_), destroy);
  std::for_each(downloads_.begin(), downloads_.end(), destroy);
}

void Staging::record(Slot& slot, Stream stream) {
  const Result recorded = driver().cuEventRecord.attempt(slot.passed, stream);
  if (recorded != kSuccess) {
    // Without its event it is unknown when the slot is free again.
    driver().cuStreamSynchronize.attempt(stream);
    throw_driver_error(recorded, driver().cuEventRecord.name());
  }
  slot.in_use = true;
}

void Staging::wait(Slot& slot) {
  const Result state = driver().cuEventQuery.attempt(slot.passed);
  if (state == kErrorNotReady) {
    driver().cuEventSynchronize(slot.passed);
  } else if (state != kSuccess) {
    throw_driver_error(state, driver().cuEventQuery.name());
  }
  slot.in_use = false;
}

void Staging::upload(DevicePointer destination, const void* source, int64_t bytes, Stream stream) {
  const std::lock_guard lock(uploading_);
  const auto* from = static_cast<const char*>(source);
  for (int64_t done = 0; done < bytes;) {
    const auto part = static_cast<size_t>(std::min(kSlotBytes, bytes - done));
    Slot& slot = uploads_[turn_];
    if (slot.memory == nullptr) make(slot);
    if (slot.in_use) wait(slot);
    turn_ = (turn_ + 1) % kUploads;
    std::memcpy(slot.memory, from + done, part);
    driver().cuMemcpyHtoDAsync(destination + static_cast<DevicePointer>(done), slot.memory, part,
                               stream);
    record(slot, stream);
    done += static_cast<int64_t>(part);
  }
}

// A slot of a download's own, until the download is over.
class Staging::Lease {
 public:
  explicit Lease(Staging& staging) : staging_(staging), slot_(take(staging)) {
    if (slot_.memory != nullptr) return;
    try {
      make(slot_);
    } catch (...) {
      give_back();
      throw;
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    // After an error its copy may still be on its way.
    if (slot_.in_use) driver().cuEventSynchronize.attempt(slot_.passed);
    slot_.in_use = false;
    give_back();
  }

  void send(DevicePointer source, size_t bytes, Stream stream) {
    driver().cuMemcpyDtoHAsync(slot_.memory, source, bytes, stream);
    record(slot_, stream);
  }

  void receive(char* destination, size_t bytes) {
    driver().cuEventSynchronize(slot_.passed);
    slot_.in_use = false;
    std::memcpy(destination, slot_.memory, bytes);
  }

 private:
  static Slot& take(Staging& staging) {
    const std::lock_guard lock(staging.leasing_);
    auto& slots = staging.downloads_;
    const auto found =
        std::find_if(slots.begin(), slots.end(), [](const Slot& each) { return !each.leased; });
    Slot& slot = found != slots.end() ? *found : slots.emplace_back();
    slot.leased = true;
    return slot;
  }

  void give_back() {
    const std::lock_guard lock(staging_.leasing_);
    slot_.leased = false;
  }

  Staging& staging_;
  Slot& slot_;
};

void Staging::download(void* destination, DevicePointer source, int64_t bytes, Stream stream) {
  auto* to = static_cast<char*>(destination);
  const auto part_at = [&](int64_t begin) {
    return static_cast<size_t>(std::min(kSlotBytes, bytes - begin));
  };
  Lease first(*this);
  std::optional<Lease> second;  // copied into while the first is copied out, and so on
  if (bytes > kSlotBytes) second.emplace(*this);
  Lease* coming = &first;
  Lease* next = second.has_value() ? &*second : nullptr;
  coming->send(source, part_at(0), stream);
  for (int64_t done = 0; done < bytes; done += kSlotBytes) {
    const int64_t after = done + kSlotBytes;
    if (after < bytes)
      next->send(source + static_cast<DevicePointer>(after), part_at(after), stream);
    coming->receive(to + done, part_at(done));
    std::swap(coming, next);
  }
}

}  // namespace namp::cuda
