// The number of threads of the CPU backend, and the reason for it.
#pragma once

#include <cstdint>
#include <string>

namespace namp {

struct ThreadCount {
  int32_t count;
  std::string reason;  // a few words, such as "CPU quota of 1.5"
};

// The default number: the least of the processors to run on (affinity), a container's quota
// (rounded up) and OMP_NUM_THREADS.
ThreadCount default_threads();

// The number of threads that a parallel region on this thread gets now, of the number wanted. It is
// smaller under OMP_THREAD_LIMIT or OMP_MAX_ACTIVE_LEVELS. It is one within a parallel region of
// the caller, where the number left is unknown, and in a forked child, whose threads stayed with
// its parent.
int32_t available_threads(int32_t wanted) noexcept;

// The reason why available_threads gives fewer; empty if it does not.
std::string why_fewer(int32_t wanted);

}  // namespace namp
