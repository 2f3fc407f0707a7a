// Pinned memory through which pageable host memory goes to the device and back, so that an upload
// does not wait for the device, and the host memory is free when the call returns.
#pragma once

#include <cstdint>
#include <mutex>

#include "cuda/driver.h"

namespace namp::cuda {

class Staging {
 public:
  Staging() = default;
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  // Waits for what is under way and gives the memory back. The context is current.
  void release() noexcept;

  // Returns when source has been read. Waits only where all slots are still on their way.
  void upload(DevicePointer destination, const void* source, int64_t bytes, Stream stream);

  // Returns when the destination has been written: waits for the stream.
  void download(void* destination, DevicePointer source, int64_t bytes, Stream stream);

 private:
  static constexpr int kSlots = 8;
  static constexpr int64_t kSlotBytes = 1 << 20;

  // A slot is free when its event has passed.
  struct Slot {
    char* memory = nullptr;
    Event sent = nullptr;
    bool in_use = false;
  };

  Slot& next_slot();

  std::mutex mutex_;
  void* memory_ = nullptr;
  Slot slots_[kSlots];
  int next_ = 0;
};

}  // namespace namp::cuda
