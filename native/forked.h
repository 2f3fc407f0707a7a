// Whether this process came out of fork() after the library was loaded. OpenMP's threads stay in
// the parent, and libgomp waits for them for ever; a CUDA driver that was started does not work in
// a child.
#pragma once

#include <cstdint>

namespace namp {

// Times that fork() has led here since the library was loaded.
int32_t fork_generation() noexcept;

inline bool is_forked() noexcept { return fork_generation() != 0; }

}  // namespace namp
