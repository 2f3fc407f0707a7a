// The wall between C++ and C: no exception gets past it. Every function of nativeamp.h that can
// fail is
//   return wall([&] { ... throw Error(status, message) on failure ... });
// Within it numbers are computed in the default floating-point mode, for any mode of the caller.
#pragma once

#include <cstdint>
#include <exception>
#include <new>
#include <stdexcept>

#include "abi/profile.h"
#include "error.h"
#include "float_mode.h"
#include "nativeamp.h"

namespace namp {

// Keeps the message for namp_last_error_message of this thread. It is cut if it is longer than the
// buffer.
void set_last_error(const char* message) noexcept;

// Runs body, and turns an exception into a status and a message. Each function's body is its own
// type, so each has a slot of the profile (made without a guard, which a fork on another thread
// could leave taken).
template <class Body>
int32_t wall(Body&& body, const char* function = __builtin_FUNCTION()) noexcept {
  static constinit ProfileSlot slot;
  const ProfileScope scope(slot, function);
  const FloatMode mode;
  try {
    body();
    return NAMP_OK;
  } catch (const Error& error) {
    set_last_error(error.what());
    return error.status();
  } catch (const std::bad_alloc&) {
    set_last_error("The host is out of memory.");
    return NAMP_ERROR_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return NAMP_ERROR_INTERNAL;
  } catch (...) {
    set_last_error("An unknown C++ exception reached the C interface: a defect of NativeAmp.");
    return NAMP_ERROR_INTERNAL;
  }
}

}  // namespace namp
