// Whether this process came out of fork() after the library was loaded. Threads stay in the parent:
// a child that waited for them would wait for ever. A CUDA driver that was started does not work in
// a child.
#pragma once

#include <cstdint>

namespace namp {

// Number of forks from the process that loaded the library to this one.
int32_t fork_generation() noexcept;

// Called once more after a library has registered handlers of forks: those that this library
// registers now run before them, and hold calls off. Later calls do nothing.
void watch_forks();

inline bool is_forked() noexcept { return fork_generation() != 0; }

}  // namespace namp
