// Whether output that a kernel does not read bypasses the cache. That saves reading the line first,
// and pays if the line would leave the cache before it is read.
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
