// Whether this process came out of fork() after the library was loaded. OpenMP's threads stay in
// the parent, and libgomp would wait for them for ever. A CUDA driver that was started does not
// work in a child.
#pragma once

#include <cstdint>

namespace namp {

// Number of forks from the process that loaded the library to this one.
int32_t fork_generation() noexcept;

inline bool is_forked() noexcept { return fork_generation() != 0; }

}  // namespace namp
