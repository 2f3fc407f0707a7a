// Pinned memory through which pageable host memory goes to the device and back, so that an upload
// does not wait for the device, and the host memory is free when the call returns. A wait for one
// stream's queue delays no other: each download takes slots of its own.
#pragma once

#include <cstdint>
#include <deque>
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
  static constexpr size_t kUploads = 8;

  // A piece of pinned memory, made at its first use.
  struct Slot {
    char* memory = nullptr;
    Event passed = nullptr;
    bool in_use = false;  // until its event has passed
    bool leased = false;  // to a download
  };
  class Lease;

  static void make(Slot& slot);
  static void destroy(Slot& slot) noexcept;
  static void record(Slot& slot, Stream stream);
  static void wait(Slot& slot);

  std::mutex uploading_;
  Slot uploads_[kUploads];  // taken in turn
  size_t turn_ = 0;
  std::mutex leasing_;  // never held during a wait
  std::deque<Slot> downloads_;
};

}  // namespace namp::cuda
