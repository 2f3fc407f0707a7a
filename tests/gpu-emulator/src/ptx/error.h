// An error in a PTX source, and its line.
#pragma once

#include <stdexcept>
#include <string>

namespace nampemu {

class PtxError : public std::runtime_error {
 public:
  PtxError(int line, const std::string& message)
      : std::runtime_error("ptx line " + std::to_string(line) + ": " + message) {}
};

}  // namespace nampemu
