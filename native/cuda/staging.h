// Pinned memory through which pageable host memory goes to the device and back, so that an upload
// does not wait for the device, and the host memory is free when the call returns. Uploads and
// downloads have separate slots and locks: a wait for one stream's queue delays no other.
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

  // Waits for pending copies, and gives the memory back. The context is current.
  void release() noexcept;

  // Returns when source has been read. Waits only if all slots are in use.
  void upload(DevicePointer destination, const void* source, int64_t bytes, Stream stream);

  // Returns when the destination has been written. It waits for the stream; one slot is copied out
  // while the next is filled.
  void download(void* destination, DevicePointer source, int64_t bytes, Stream stream);

 private:
  static constexpr int64_t kSlotBytes = 1 << 20;

  // A slot is free when its event has passed.
  struct Slot {
    char* memory = nullptr;
    Event passed = nullptr;
    bool in_use = false;
  };

  // Slots in one piece of pinned memory, allocated at the first use.
  template <int kCount>
  struct Ring {
    void release() noexcept;
    // The next slot in turn, free again.
    Slot& next();

    std::mutex mutex;
    void* memory = nullptr;
    Slot slots[kCount];
    int turn = 0;
  };

  static void record(Slot& slot, Stream stream);
  static void wait(Slot& slot);

  Ring<8> uploads_;
  Ring<2> downloads_;
};

}  // namespace namp::cuda
