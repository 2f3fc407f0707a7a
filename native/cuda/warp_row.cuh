// A row of a matrix that a warp works on, a pack of each lane after the other. A row of up to
// kHeldWidth is read once and stays in registers; a longer one is read again in every pass.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"

namespace namp::cuda {

inline constexpr int kHeldPacks = 4;  // of a lane
inline constexpr int64_t kHeldWidth = kHeldPacks * kWarp * kPack;

// Calls body(slot, i, part) for this lane's packs of a row; slot is a constant where a row is held. Part is
// made of a Prefix.
template <bool kHeld, class Part = Prefix, class Body>
NAMP_DEVICE void for_row_packs(int64_t width, int lane, Body&& body) {
  if constexpr (kHeld) {
#pragma unroll
    for (int slot = 0; slot < kHeldPacks; ++slot) {
      const int64_t i = (slot * kWarp + lane) * kPack;
      if (i < width) body(slot, i, Part(Prefix(width - i)));
    }
  } else {
    for (int64_t i = lane * kPack; i < width; i += kWarp * kPack)
      body(0, i, Part(Prefix(width - i)));
  }
}

// An optional float32 vector's pack, or otherwise in each element.
template <class Part>
NAMP_DEVICE Pack<kPack> load_or(const float* data, int64_t i, Part part, float otherwise) {
  if (data != nullptr) return load(data + i, part);
  Pack<kPack> pack;
#pragma unroll
  for (float& x : pack.at)
    x = otherwise;
  return pack;
}

template <bool kHeld>
class WarpRow {
 public:
  NAMP_DEVICE WarpRow(const void* data, int32_t dtype, int64_t first, int64_t width, int lane)
      : data_(data), dtype_(dtype), first_(first) {
    if constexpr (kHeld) {
      with_element(dtype, [&](auto element) {
        using T = typename decltype(element)::Type;
        const T* row = static_cast<const T*>(data) + first;
        // All loads are in flight before the first conversion.
        RawPack<T, kPack> raw[kHeldPacks] = {};
        for_row_packs<true>(width, lane, [&](int slot, int64_t i, Prefix part) {
          raw[slot] = load_raw(row + i, part);
        });
#pragma unroll
        for (int slot = 0; slot < kHeldPacks; ++slot)
          held_[slot] = widen(raw[slot]);
      });
    }
  }

  NAMP_DEVICE Pack<kPack> pack(int slot, int64_t i, Prefix part) const {
    if constexpr (kHeld) {
      return held_[slot];
    } else {
      return load_as(data_, dtype_, first_ + i, part);
    }
  }

 private:
  const void* data_;
  int32_t dtype_;
  int64_t first_;
  Pack<kPack> held_[kHeld ? kHeldPacks : 1];
};

// The sums of kCount packs of each lane; in every lane.
template <int kCount>
NAMP_DEVICE void sum_lanes(const Pack<kPack> (&of_lane)[kCount], float (&sums)[kCount]) {
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    Pack<kPack> x = of_lane[k];
#pragma unroll
    for (int half = kPack / 2; half > 0; half /= 2) {
#pragma unroll
      for (int j = 0; j < half; ++j)
        x.at[j] += x.at[j + half];
    }
    sums[k] = x.at[0];
  }
#pragma unroll
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
#pragma unroll
    for (int k = 0; k < kCount; ++k)
      sums[k] += exchange(sums[k], mask);
  }
}

// Adds the part of a pack that is there.
template <class Part>
NAMP_DEVICE void add_there(Pack<kPack>& sum, Pack<kPack> terms, Part part) {
  if (!part.is_whole()) {
#pragma unroll
    for (int j = 0; j < kPack; ++j)
      terms.at[j] = j < part.there ? terms.at[j] : 0.0f;
  }
  sum = map(Plus(), sum, terms);
}

// The kCount sums over a row of the packs that body(slot, i, part, packs) gives; in every lane.
template <bool kHeld, class Part = Prefix, int kCount, class Body>
NAMP_DEVICE void sum_row(int64_t width, int lane, float (&sums)[kCount], Body&& body) {
  Pack<kPack> of_lane[kCount] = {};
  for_row_packs<kHeld, Part>(width, lane, [&](int slot, int64_t i, Part part) {
    Pack<kPack> terms[kCount];
    body(slot, i, part, terms);
#pragma unroll
    for (int k = 0; k < kCount; ++k)
      add_there(of_lane[k], terms[k], part);
  });
  sum_lanes(of_lane, sums);
}

// Calls body(std::bool_constant<whether a row is held>, row, lane) for this warp's rows.
template <class Body>
NAMP_DEVICE void for_held_rows(int64_t rows, int64_t width, Body&& body) {
  if (width <= kHeldWidth) {
    for_warp_rows(rows, [&](int64_t row, int lane) { body(std::true_type(), row, lane); });
  } else {
    for_warp_rows(rows, [&](int64_t row, int lane) { body(std::false_type(), row, lane); });
  }
}

}  // namespace namp::cuda
