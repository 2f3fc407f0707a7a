// The floating-point mode of OpenMP's workers while somebody else's parallel regions run on them.
#pragma once

#include <vector>

#include "float_mode.h"

namespace namp {

// While it lives, the threads of a region of this size compute in the default mode; then each in
// its own again. The calling thread is the wall's matter (abi/wall.h).
class TeamFloatMode {
 public:
  explicit TeamFloatMode(int threads);
  TeamFloatMode(const TeamFloatMode&) = delete;
  TeamFloatMode& operator=(const TeamFloatMode&) = delete;
  ~TeamFloatMode();

  // Threads that the region really got.
  int size() const { return size_; }

 private:
  int threads_;
  int size_ = 1;
  std::vector<FloatControl::Bits> before_;  // by thread; empty where all were in the default mode
};

}  // namespace namp
