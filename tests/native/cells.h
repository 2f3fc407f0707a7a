// Casts of single tensors, as tests write them.
#pragma once

#include "nativeamp.h"

namespace namp_test {

inline namp_cell cell(const void* data, int32_t dtype, const float* scale = nullptr) {
  return {const_cast<void*>(data), scale, dtype, 0};
}

inline int32_t cast(namp_device* device, const namp_cell& destination, const namp_cell& source,
                    int64_t count, const namp_cast_options* options = nullptr,
                    namp_stream stream = nullptr) {
  return namp_cast(device, &destination, &source, count, options, stream);
}

inline int32_t scale(namp_device* device, const namp_cell& destination, const namp_cell& source,
                     int64_t count, const float* factor, namp_stream stream = nullptr) {
  return namp_scale(device, &destination, &source, count, factor, stream);
}

}  // namespace namp_test
