// The floating-point mode of OpenMP's workers while somebody else's parallel regions run on them.
#pragma once

#include <vector>

#include "float_mode.h"

namespace namp {

// While it lives, the threads of a region of this size compute in the default mode; then each in
// its own again. The calling thread is the wall's matter (abi/wall.h).
//
// Asking costs a region, which small work would feel. So they are asked before the first work on so
// many threads, each time once any was met in another mode (which our own regions see for nothing),
// and before work that is large.
class TeamFloatMode {
 public:
  // work: multiplications that follow.
  TeamFloatMode(int threads, double work);
  TeamFloatMode(const TeamFloatMode&) = delete;
  TeamFloatMode& operator=(const TeamFloatMode&) = delete;
  ~TeamFloatMode();

  // Threads that the region really got; as many as asked for where it was not tried.
  int size() const { return size_; }

 private:
  int threads_;
  int size_;
  std::vector<FloatControl::Bits> before_;  // by thread; empty where all were in the default mode
};

}  // namespace namp
