// The floating-point mode of OpenMP's workers while oneDNN's parallel regions run on them.
#pragma once

#include <vector>

#include "cpu/openmp.h"
#include "float_mode.h"

namespace namp {

// While it lives, the threads of a region of this size compute in the default mode; then each in
// its own mode again. The wall (abi/wall.h) sets the calling thread's mode. An OpenMP without GNU's
// entry keeps its workers' modes.
//
// Checking the workers costs a parallel region, which matters for small work. So they are checked
// before the first work on that number of threads, before large work, and every time where others
// use this OpenMP, or once any thread was found in another mode.
class TeamFloatMode {
 public:
  // work is the number of multiplications that follow.
  TeamFloatMode(const OpenMp& openmp, int threads, double work);
  TeamFloatMode(const TeamFloatMode&) = delete;
  TeamFloatMode& operator=(const TeamFloatMode&) = delete;
  ~TeamFloatMode();

  // The number of threads that the region got; the number requested if there was no region.
  int size() const { return size_; }

 private:
  const OpenMp& openmp_;
  int threads_;
  int size_;
  std::vector<FloatControl::Bits> before_;  // by thread; empty if all were in the default mode
};

}  // namespace namp
