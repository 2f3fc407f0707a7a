// Zeroed counters on the device, kTickets for each stream, that identify the last block of a launch
// or of a part of it (which sets the counter to zero again).
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "cuda/driver.h"
#include "cuda/kernels.h"

namespace namp::cuda {

class Tickets {
 public:
  Tickets() = default;
  Tickets(const Tickets&) = delete;
  Tickets& operator=(const Tickets&) = delete;

  // The stream's first counter. The context is current.
  Ticket of(Stream stream);

  // Gives the memory back. The context is current, and no kernel runs.
  void release() noexcept;

 private:
  static constexpr int kPerBlock = 64;  // streams

  std::mutex mutex_;
  std::map<Stream, DevicePointer> by_stream_;
  std::vector<DevicePointer> blocks_;
};

}  // namespace namp::cuda
