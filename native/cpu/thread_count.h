// The number of threads of the CPU backend, and the reason for it.
#pragma once

#include <cstdint>
#include <string>

namespace namp {

struct ThreadCount {
  int32_t count;
  std::string reason;  // a few words, such as "CPU quota of 1.5"
};

// The number of processors that this thread may run on (affinity).
int32_t processors() noexcept;

// The number wanted; for 0 the default, which is the least of the processors, a container's quota
// (rounded up) and OMP_NUM_THREADS, the variable by which programs of all kinds are told. Never
// more than OMP_THREAD_LIMIT.
ThreadCount thread_count(int32_t wanted);

}  // namespace namp
