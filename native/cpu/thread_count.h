// How many threads the CPU backend uses, and why.
#pragma once

#include <cstdint>
#include <string>

namespace namp {

struct ThreadCount {
  int32_t count;
  std::string reason;  // a few words, such as "CPU quota of 1.5"
};

// Where the caller sets none: as many as there are processors to run on (affinity), that a
// container's quota pays for (rounded up) and OMP_NUM_THREADS names, whichever is least.
ThreadCount default_threads();

// How many of so many threads a parallel region gets on this thread, now: fewer where
// OMP_THREAD_LIMIT or OMP_MAX_ACTIVE_LEVELS says so; one within a parallel region of the caller,
// where nobody could tell beforehand how many are left, and in a forked child, whose threads stayed
// with its parent.
int32_t available_threads(int32_t wanted) noexcept;

// What available_threads took away and why; empty where it took nothing.
std::string why_fewer(int32_t wanted);

}  // namespace namp
