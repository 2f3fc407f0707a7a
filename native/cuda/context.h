// The context that a device works in, current on the calling thread during each of our calls: the
// primary one, which other libraries of the process share and which is retained while the device is
// open, or one that the caller made and keeps.
#pragma once

#include "cuda/driver.h"

namespace namp::cuda {

class DeviceContext {
 public:
  explicit DeviceContext(int ordinal) {
    driver().cuDeviceGet(&device_, ordinal);
    driver().cuDevicePrimaryCtxRetain(&context_, device_);
    is_retained_ = true;
  }
  // Of the caller; a primary one is retained all the same.
  explicit DeviceContext(Context context) : context_(context) {
    Result asked = driver().cuCtxPushCurrent.attempt(context);
    if (asked == kSuccess) {
      asked = driver().cuCtxGetDevice.attempt(&device_);
      Context popped = nullptr;
      driver().cuCtxPopCurrent.attempt(&popped);
    }
    // In a context that was destroyed NVIDIA's driver may answer all the same, with a device that there
    // is not: 580 did.
    unsigned flags = 0;
    int active = 0;
    if (asked == kSuccess)
      asked = driver().cuDevicePrimaryCtxGetState.attempt(device_, &flags, &active);
    if (asked != kSuccess) {
      throw Error(NAMP_ERROR_INVALID_ARGUMENT,
                  "context is no CUDA context that is alive: the driver gave " + describe(asked) +
                      ". Open the device while its context lives, and close it before.");
    }
    if (active == 0) return;
    Context primary = nullptr;
    driver().cuDevicePrimaryCtxRetain(&primary, device_);
    is_retained_ = primary == context;
    if (!is_retained_) driver().cuDevicePrimaryCtxRelease.attempt(device_);
  }
  DeviceContext(const DeviceContext&) = delete;
  DeviceContext& operator=(const DeviceContext&) = delete;
  ~DeviceContext() {
    if (is_retained_) driver().cuDevicePrimaryCtxRelease.attempt(device_);
  }

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
  bool is_retained_ = false;
};

// Makes the context current, and restores the previous one at the end.
class ContextScope {
 public:
  explicit ContextScope(const DeviceContext& context) { driver().cuCtxPushCurrent(context.get()); }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;
  ~ContextScope() {
    Context popped = nullptr;
    driver().cuCtxPopCurrent.attempt(&popped);
  }
};

}  // namespace namp::cuda
