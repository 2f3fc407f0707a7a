// The primary context of a device, which other libraries of the process share: retained while the
// device is open, and current on the calling thread during each of our calls.
#pragma once

#include "cuda/driver.h"

namespace namp::cuda {

class PrimaryContext {
 public:
  explicit PrimaryContext(int ordinal) {
    driver().cuDeviceGet(&device_, ordinal);
    driver().cuDevicePrimaryCtxRetain(&context_, device_);
  }
  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;
  ~PrimaryContext() { driver().cuDevicePrimaryCtxRelease.attempt(device_); }

  DeviceId device() const { return device_; }
  Context get() const { return context_; }

  int attribute(int which) const {
    int value = 0;
    driver().cuDeviceGetAttribute(&value, which, device_);
    return value;
  }

 private:
  DeviceId device_ = 0;
  Context context_ = nullptr;
};

// Makes the context current, and restores the previous one at the end.
class ContextScope {
 public:
  explicit ContextScope(const PrimaryContext& context) { driver().cuCtxPushCurrent(context.get()); }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  ~ContextScope() {
    Context popped = nullptr;
    driver().cuCtxPopCurrent.attempt(&popped);
  }
};

}  // namespace namp::cuda
