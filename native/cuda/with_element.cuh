// Turns a run-time dtype into a type.
#pragma once

#include "cuda/loop.cuh"

namespace namp::cuda {

// Returns body(ElementType<float or Float16 or BFloat16>{}). The wall refuses all other dtypes. Not by
// a switch: its jump goes by a table in memory.
template <class Body>
NAMP_DEVICE auto with_element(int32_t dtype, Body&& body) {
#define NAMP_CASE(DTYPE, Element, ...) \
  if (dtype == DTYPE) return body(ElementType<Element>{});
  NAMP_FOR_EACH_FLOAT(NAMP_CASE)
  trap();
}

// The same for FP8.
template <class Body>
NAMP_DEVICE auto with_float8_element(int32_t dtype, Body&& body) {
  NAMP_FOR_EACH_FLOAT8(NAMP_CASE)
#undef NAMP_CASE
  trap();
}

// Of two tensors.
template <class Body>
NAMP_DEVICE auto with_elements(int32_t first, int32_t second, Body&& body) {
  return with_element(
      first, [&](auto a) { return with_element(second, [&](auto b) { return body(a, b); }); });
}

// The same for the dtypes that a cast stores.
template <class Body>
NAMP_DEVICE auto with_stored_element(int32_t dtype, Body&& body) {
  switch (dtype) {
#define NAMP_CASE(DTYPE, Element, ...) \
  case DTYPE:                          \
    return body(ElementType<Element>{});
    NAMP_FOR_EACH_STORED_FLOAT(NAMP_CASE)
#undef NAMP_CASE
  }
  trap();
}

}  // namespace namp::cuda
