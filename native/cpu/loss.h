// Labels of rows that have no class.
#pragma once

#include <cstdint>

namespace namp {

inline constexpr int64_t kIgnoredLabel = -1;  // its row is ignored
inline constexpr int64_t kInvalidLabel = -2;  // makes its row NaN

}  // namespace namp
