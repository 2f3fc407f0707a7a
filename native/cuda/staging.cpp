#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace namp::cuda {

void Staging::release() noexcept {
  for (Slot& slot : slots_) {
    if (slot.in_use) driver().cuEventSynchronize.attempt(slot.sent);
    if (slot.sent != nullptr) driver().cuEventDestroy.attempt(slot.sent);
    slot = Slot{};
  }
  if (memory_ != nullptr) driver().cuMemFreeHost.attempt(memory_);
  memory_ = nullptr;
}

Staging::Slot& Staging::next_slot() {
  if (memory_ == nullptr) {
    const Result result = driver().cuMemHostAlloc.attempt(&memory_, kSlots * kSlotBytes, 0);
    if (result == kErrorOutOfMemory) throw_out_of_pinned_memory(kSlots * kSlotBytes, result);
    if (result != kSuccess) throw_driver_error(result, driver().cuMemHostAlloc.name());
  }
  Slot& slot = slots_[next_];
  if (slot.sent == nullptr) driver().cuEventCreate(&slot.sent, kEventDisableTiming);
  slot.memory = static_cast<char*>(memory_) + next_ * kSlotBytes;
  if (slot.in_use) {
    const Result state = driver().cuEventQuery.attempt(slot.sent);
    if (state == kErrorNotReady) {
      driver().cuEventSynchronize(slot.sent);
    } else if (state != kSuccess) {
      throw_driver_error(state, driver().cuEventQuery.name());
    }
    slot.in_use = false;
  }
  next_ = (next_ + 1) % kSlots;
  return slot;
}

void Staging::upload(DevicePointer destination, const void* source, int64_t bytes, Stream stream) {
  std::lock_guard lock(mutex_);
  const auto* from = static_cast<const char*>(source);
  for (int64_t done = 0; done < bytes;) {
    const auto part = static_cast<size_t>(std::min(kSlotBytes, bytes - done));
    Slot& slot = next_slot();
    std::memcpy(slot.memory, from + done, part);
    driver().cuMemcpyHtoDAsync(destination + static_cast<DevicePointer>(done), slot.memory, part,
                               stream);
    const Result recorded = driver().cuEventRecord.attempt(slot.sent, stream);
    if (recorded != kSuccess) {
      // Without its event nobody could tell when the slot is free again.
      driver().cuStreamSynchronize.attempt(stream);
      throw_driver_error(recorded, driver().cuEventRecord.name());
    }
    slot.in_use = true;
    done += static_cast<int64_t>(part);
  }
}

void Staging::download(void* destination, DevicePointer source, int64_t bytes, Stream stream) {
  std::lock_guard lock(mutex_);
  auto* to = static_cast<char*>(destination);
  for (int64_t done = 0; done < bytes;) {
    const auto part = static_cast<size_t>(std::min(kSlotBytes, bytes - done));
    Slot& slot = next_slot();
    driver().cuMemcpyDtoHAsync(slot.memory, source + static_cast<DevicePointer>(done), part,
                               stream);
    driver().cuStreamSynchronize(stream);
    std::memcpy(to + done, slot.memory, part);
    done += static_cast<int64_t>(part);
  }
}

}  // namespace namp::cuda
