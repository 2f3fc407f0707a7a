// A namp_device: a backend, its memory pool and its scratch memory.
#pragma once

#include <atomic>
#include <memory>

#include "abi/device_lock.h"
#include "abi/host_memory.h"
#include "abi/memory_pool.h"
#include "abi/profile.h"
#include "backend.h"

struct namp_device {
  namp_device(namp_device_kind opened_kind, std::unique_ptr<namp::Backend> opened);

  const namp_device_kind kind;
  const int32_t fork_generation;  // in which it was opened
  namp::DeviceMutex mutex;
  std::unique_ptr<namp::Backend> backend;
  namp::MemoryPool pool;
  namp::PoolWorkspace workspace;
  namp::HostMemory host_memory;
  std::atomic<int64_t> tables{0};  // alive
  std::atomic<int64_t> events{0};
  std::atomic<int64_t> graphs{0};
};

namespace namp {

// The device, or an error where it is null or belongs to a process that this one was forked from
// and cannot be used here. For what needs no lock: the memory pool, copies, and waiting.
namp_device& check_device(namp_device* device);
// The same for the device of something that lives on it.
void check_process(const namp_device& device);

// For calls that wait, or that a graph cannot repeat: as the other refuse_capture, for a device that
// has graphs.
void refuse_capture(const namp_device& device, const char* what);

// At the end of a call that may have given the device work: while a profile is measured, the call
// lasts until that is done, so that its time is the device's.
inline void finish_if_profiling(namp_device& device) noexcept {
  if (profiling.load(std::memory_order_relaxed) && current_capture() == nullptr)
    device.backend->finish();
}

// As check_process, and the device is this call's alone while it lives.
class DeviceUse {
 public:
  explicit DeviceUse(namp_device& device) : device_(device) {
    check_process(device);
    device_.mutex.lock();
  }
  DeviceUse(const DeviceUse&) = delete;
  DeviceUse& operator=(const DeviceUse&) = delete;
  ~DeviceUse() {
    finish_if_profiling(device_);  // before others get the device: only this call's work
    device_.mutex.unlock();
  }

  namp_device* operator->() const { return &device_; }

 private:
  namp_device& device_;
};

inline DeviceUse use_device(namp_device* device) { return DeviceUse(check_device(device)); }

}  // namespace namp
