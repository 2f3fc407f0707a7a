#include "cuda/tickets.h"

#include "capture.h"

namespace namp::cuda {

Ticket Tickets::of(Stream stream) {
  std::lock_guard lock(mutex_);
  const auto known = by_stream_.find(stream);
  DevicePointer counter = 0;
  if (known != by_stream_.end()) {
    counter = known->second;
  } else {
    refuse_capture(
        "the stream has no counters yet. Make the call once before on this stream, uncaptured.");
    if (by_stream_.size() == blocks_.size() * kPerBlock) {
      constexpr size_t kBytes = kPerBlock * kTickets * sizeof(uint32_t);
      blocks_.reserve(blocks_.size() + 1);
      const DevicePointer block = allocate_memory(kBytes);
      try {
        driver().cuMemsetD8Async(block, 0, kBytes, nullptr);
        // Other streams do not wait for the default one: its work has to be done.
        driver().cuStreamSynchronize(nullptr);
      } catch (...) {
        driver().cuMemFree.attempt(block);
        throw;
      }
      blocks_.push_back(block);
    }
    counter = blocks_.back() + by_stream_.size() % kPerBlock * kTickets * sizeof(uint32_t);
    by_stream_.emplace(stream, counter);
  }
  return reinterpret_cast<Ticket>(counter);
}

void Tickets::release() noexcept {
  for (const DevicePointer block : blocks_)
    driver().cuMemFree.attempt(block);
  blocks_.clear();
  by_stream_.clear();
}

}  // namespace namp::cuda
