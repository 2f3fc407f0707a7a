// Tensors whose dtype is known only at run time. The dtype is the same for all threads, so testing
// it causes no divergence.
#pragma once

#include "cuda/loop.cuh"
#include "cuda/with_element.cuh"

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

// A pack of any dtype as it lies in memory. Where several are fetched before the first is converted,
// all their loads are under way at a time.
struct AnyPack {
  uint32_t words[kPack];
  template <class T>
  NAMP_DEVICE RawPack<T, kPack> as() const {
    RawPack<T, kPack> raw;
    memcpy(&raw, words, sizeof(raw));
    return raw;
  }
};

// Of a floating-point dtype, or of codes in blocks.
NAMP_DEVICE AnyPack fetch_any(const namp_cell& cell, int64_t i, Prefix part) {
  AnyPack pack{};
  const auto take = [&](auto word) {
    const auto raw = load_raw(static_cast<const decltype(word)*>(cell.data) + i, part);
    memcpy(pack.words, &raw, sizeof(raw));
  };
  if (cell.dtype == NAMP_FLOAT32) {
    take(uint32_t{});
  } else if (is_float8(cell.dtype) || is_block_code(cell.dtype)) {
    take(uint8_t{});
  } else {
    take(uint16_t{});
  }
  // Words that the compiler does not see through. Else it would cut them into elements right here,
  // and wait for each load.
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    asm("" : "+r"(pack.words[j]));
  return pack;
}

NAMP_DEVICE Pack<kPack> widen_as(const AnyPack& pack, int32_t dtype) {
  return with_element(
      dtype, [&](auto element) { return widen(pack.as<typename decltype(element)::Type>()); });
}

// How the elements of a kernel's tensors are read and written: of one dtype that is a type, or each
// tensor of its own. wide(fetch(…)) loads, so that all loads can come before the first conversion.
template <class T>
struct OneType {
  template <class Part>
  NAMP_DEVICE auto fetch(const void* data, int32_t, int64_t i, Part part) const {
    return load_raw(static_cast<const T*>(data) + i, part);
  }
  template <int kCount>
  NAMP_DEVICE Pack<kCount> wide(const RawPack<T, kCount>& raw) const {
    return widen(raw);
  }
  // Returns what is there now.
  template <class Part>
  NAMP_DEVICE Pack<Part::count> put(const Pack<Part::count>& x, void* data, int32_t, int64_t i,
                                    Part part) const {
    const auto raw = narrow(x, ElementType<T>());
    store_raw(raw, static_cast<T*>(data) + i, part);
    return widen(raw);
  }
};
struct AnyType {
  template <class Part>
  NAMP_DEVICE auto fetch(const void* data, int32_t dtype, int64_t i, Part part) const {
    return load_as(data, dtype, i, part);
  }
  template <int kCount>
  NAMP_DEVICE const Pack<kCount>& wide(const Pack<kCount>& x) const {
    return x;
  }
  template <class Part>
  NAMP_DEVICE Pack<Part::count> put(const Pack<Part::count>& x, void* data, int32_t dtype,
                                    int64_t i, Part part) const {
    return with_element(dtype, [&](auto element) {
      return OneType<typename decltype(element)::Type>().put(x, data, dtype, i, part);
    });
  }
};

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

// Calls body(row, column, part) for this thread's packs of a matrix; adjacent threads get adjacent
// packs of a row. The two divisions are the launch's only ones.
template <class Body>
NAMP_DEVICE void for_matrix_packs(int64_t rows, int64_t columns, Body&& body) {
  const int64_t packs = (columns + kPack - 1) / kPack;  // of a row
  const int64_t stride = block_count() * block_threads();
  const int64_t first = block_index() * block_threads() + thread_index();
  if (first >= rows * packs) return;
  const int64_t row_stride = stride / packs;
  const int64_t pack_stride = stride % packs;
  int64_t row = first / packs;
  int64_t pack = first % packs;
  while (row < rows) {
    body(row, pack * kPack, Prefix{columns - pack * kPack});
    row += row_stride;
    pack += pack_stride;
    if (pack >= packs) {
      pack -= packs;
      ++row;
    }
  }
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
