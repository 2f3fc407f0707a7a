// Barriers as instructions carry them.
#pragma once

#include <cstdint>

namespace nampemu {

// option of a Flow::barrier instruction. r[0] result, r[1] predicate, r[2] barrier, r[3] threads or
// kNone.
enum class BarrierKind : uint8_t { sync, arrive, popcount, all, any };
enum : uint16_t { kInvertedVote = 1, kAligned = 2 };

}  // namespace nampemu
