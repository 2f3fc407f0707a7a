// The rows of hyperparameters of a step as they lie on a device.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "nativeamp.h"

namespace namp {

// A namp_optimizer_rows with the groups of a call behind it.
inline std::vector<char> rows_image(const namp_optimizer_args& args) {
  const namp_optimizer_rows head{args.first_step, std::max(args.row_count, 1), 0};
  const size_t groups = static_cast<size_t>(head.row_count) *
                        static_cast<size_t>(args.group_count) * sizeof(namp_optimizer_group);
  std::vector<char> image(sizeof(head) + groups);
  std::memcpy(image.data(), &head, sizeof(head));
  std::memcpy(image.data() + sizeof(head), args.groups, groups);
  return image;
}

}  // namespace namp
