// The settings that all elements of a dropout share.
#pragma once

#include <cstdint>

namespace namp {

struct Dropout {
  uint32_t threshold;  // an element is dropped if its word is below it
  float scale;         // factor of kept elements

  // probability is 0 or more and less than 1: a float below 1 times 2^32 fits.
  // constexpr makes it callable on a GPU.
  explicit constexpr Dropout(float probability)
      : threshold(static_cast<uint32_t>(static_cast<double>(probability) * 4294967296.0)),
        scale(static_cast<float>(1.0 / (1.0 - static_cast<double>(probability)))) {}
};

}  // namespace namp
