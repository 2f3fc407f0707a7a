#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace namp::cuda {

template <int kCount>
void Staging::Ring<kCount>::release() noexcept {
  for (Slot& slot : slots) {
    if (slot.in_use) driver().cuEventSynchronize.attempt(slot.passed);
    if (slot.passed != nullptr) driver().cuEventDestroy.attempt(slot.passed);
    slot = Slot{};
  }
  if (memory != nullptr) driver().cuMemFreeHost.attempt(memory);
  memory = nullptr;
}

template <int kCount>
Staging::Slot& Staging::Ring<kCount>::next() {
  if (memory == nullptr) {
    const Result result = driver().cuMemHostAlloc.attempt(&memory, kCount * kSlotBytes, 0);
    if (result == kErrorOutOfMemory) throw_out_of_pinned_memory(kCount * kSlotBytes, result);
    if (result != kSuccess) throw_driver_error(result, driver().cuMemHostAlloc.name());
  }
  Slot& slot = slots[turn];
  if (slot.passed == nullptr) driver().cuEventCreate(&slot.passed, kEventDisableTiming);
  slot.memory = static_cast<char*>(memory) + turn * kSlotBytes;
  if (slot.in_use) wait(slot);
  turn = (turn + 1) % kCount;
  return slot;
}

void Staging::release() noexcept {
  uploads_.release();
  downloads_.release();
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
  std::lock_guard lock(uploads_.mutex);
  const auto* from = static_cast<const char*>(source);
  for (int64_t done = 0; done < bytes;) {
    const auto part = static_cast<size_t>(std::min(kSlotBytes, bytes - done));
    Slot& slot = uploads_.next();
    std::memcpy(slot.memory, from + done, part);
    driver().cuMemcpyHtoDAsync(destination + static_cast<DevicePointer>(done), slot.memory, part,
                               stream);
    record(slot, stream);
    done += static_cast<int64_t>(part);
  }
}

void Staging::download(void* destination, DevicePointer source, int64_t bytes, Stream stream) {
  std::lock_guard lock(downloads_.mutex);
  auto* to = static_cast<char*>(destination);
  const auto part_at = [&](int64_t begin) {
    return static_cast<size_t>(std::min(kSlotBytes, bytes - begin));
  };
  const auto send = [&](int64_t begin) -> Slot& {
    Slot& slot = downloads_.next();
    driver().cuMemcpyDtoHAsync(slot.memory, source + static_cast<DevicePointer>(begin),
                               part_at(begin), stream);
    record(slot, stream);
    return slot;
  };
  Slot* coming = &send(0);
  for (int64_t done = 0; done < bytes; done += kSlotBytes) {
    Slot& slot = *coming;
    if (done + kSlotBytes < bytes) coming = &send(done + kSlotBytes);
    driver().cuEventSynchronize(slot.passed);
    slot.in_use = false;
    std::memcpy(to + done, slot.memory, part_at(done));
  }
}

}  // namespace namp::cuda
