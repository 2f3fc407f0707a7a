// Loops whose index is known to templates, such as offsets that an instruction has room for.
#pragma once

#include "cuda/platform.cuh"

#include <type_traits>
#include <utility>

namespace namp::cuda {

// Calls body(std::integral_constant<int, i>) for i from 0 on.
template <class Body, int... kIndices>
NAMP_DEVICE void unrolled(Body&& body, std::integer_sequence<int, kIndices...>) {
  (body(std::integral_constant<int, kIndices>()), ...);
}
template <int kCount, class Body>
NAMP_DEVICE void unrolled(Body&& body) {
  unrolled(body, std::make_integer_sequence<int, kCount>());
}

}  // namespace namp::cuda
