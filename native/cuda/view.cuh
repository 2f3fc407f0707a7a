// Tensors whose dtype is known only at run time. The dtype is the same for all threads, so testing
// it causes no divergence.
#pragma once

#include "cuda/loop.cuh"

namespace namp::cuda {

NAMP_DEVICE float load_as(const void* data, int32_t dtype, int64_t i) {
  return with_element(dtype, [&](auto element) {
    return load(static_cast<const typename decltype(element)::Type*>(data) + i);
  });
}

NAMP_DEVICE void store_as(float x, void* data, int32_t dtype, int64_t i) {
  with_element(dtype, [&](auto element) {
    store(x, static_cast<typename decltype(element)::Type*>(data) + i);
  });
}

// x after a store and a load.
NAMP_DEVICE float round_to(float x, int32_t dtype) {
  return with_element(dtype, [&](auto element) { return widen(narrow(x, element)); });
}

// The same for packs.
template <class Part>
NAMP_DEVICE Pack<Part::count> load_as(const void* data, int32_t dtype, int64_t i, Part part) {
  return with_element(dtype, [&](auto element) {
    return load(static_cast<const typename decltype(element)::Type*>(data) + i, part);
  });
}

template <class Part>
NAMP_DEVICE void store_as(const Pack<Part::count>& x, void* data, int32_t dtype, int64_t i,
                          Part part) {
  with_element(dtype, [&](auto element) {
    store(x, static_cast<typename decltype(element)::Type*>(data) + i, part);
  });
}

// Rounds stochastically by one random word for each element.
template <class Part>
NAMP_DEVICE void store_stochastic_as(const Pack<Part::count>& x, const uint32_t* words, void* data,
                                     int32_t dtype, int64_t i, Part part) {
  with_element(dtype, [&](auto element) {
    store_stochastic(x, words, static_cast<typename decltype(element)::Type*>(data) + i, part);
  });
}

// An element of an optional float32 vector, or otherwise if there is no vector.
NAMP_DEVICE float load_or(const float* data, int64_t i, float otherwise) {
  return data != nullptr ? load(data + i) : otherwise;
}

// Calls body(i) for this thread's elements of a tensor; adjacent threads get adjacent elements.
template <class Body>
NAMP_DEVICE void for_elements(int64_t count, Body&& body) {
  const int64_t stride = block_count() * block_threads();
  for (int64_t i = block_index() * block_threads() + thread_index(); i < count; i += stride)
    body(i);
}

// Calls body(row, lane) for this warp's rows, with all lanes of the warp.
template <class Body>
NAMP_DEVICE void for_warp_rows(int64_t rows, Body&& body) {
  constexpr int kLanes = 32;
  const int warps = block_threads() / kLanes;
  for (int64_t row = block_index() * warps + thread_index() / kLanes; row < rows;
       row += block_count() * warps)
    body(row, thread_index() % kLanes);
}

}  // namespace namp::cuda
