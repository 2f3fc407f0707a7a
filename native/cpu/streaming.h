// Whether what a kernel writes and does not read goes past the cache: that saves reading the line
// first, and pays where the line is out of the cache again before anyone reads it.
#pragma once

#include <cstdint>

#include "table_view.h"

namespace namp {

constexpr bool streams(int64_t elements) { return elements >= 4 << 20; }

inline bool streams(const TableView& table) {
  const int64_t last = table.tensor_count - 1;
  return last >= 0 && streams(table.first_elements[last] + table.counts[last]);
}

}  // namespace namp
