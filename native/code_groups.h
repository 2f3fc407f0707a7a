// Groups of a row's columns that share a scale, the last of which may be shorter.
#pragma once

#include <cstdint>

namespace namp {

// The groups of a row; 1 where group is 0.
constexpr int64_t code_groups(int64_t width, int64_t group) {
  return group == 0 ? 1 : width / group + (width % group == 0 ? 0 : 1);
}

// A group among those of all rows: where it begins, and its columns.
struct CodeGroup {
  int64_t begin;
  int64_t width;

  constexpr CodeGroup(int64_t index, int64_t row_width, int64_t group, int64_t groups)
      : begin(index / groups * row_width + index % groups * group),
        width(group == 0 || index % groups == groups - 1 ? row_width - index % groups * group
                                                         : group) {}
};

}  // namespace namp
