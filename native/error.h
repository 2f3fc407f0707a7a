// The one exception of the native side. The abi wall (abi/wall.h) turns it into a status and a
// message.
#pragma once

#include <stdexcept>
#include <string>

#include "nativeamp.h"

namespace namp {

class Error : public std::runtime_error {
 public:
  Error(namp_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}

  namp_status status() const { return status_; }

 private:
  namp_status status_;
};

}  // namespace namp
