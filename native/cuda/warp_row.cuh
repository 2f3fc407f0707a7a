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

// Calls body(slot, i, part) for this lane's packs of a row; slot is a constant where a row is held.
template <bool kHeld, class Body>
NAMP_DEVICE void for_row_packs(int64_t width, int lane, Body&& body) {
  if constexpr (kHeld) {
#pragma unroll
    for (int slot = 0; slot < kHeldPacks; ++slot) {
      const int64_t i = (slot * kWarp + lane) * kPack;
      if (i < width) body(slot, i, Prefix{width - i});
    }
  } else {
    for (int64_t i = lane * kPack; i < width; i += kWarp * kPack)
      body(0, i, Prefix{width - i});
  }
}

// An optional float32 vector's pack, or otherwise in each element.
NAMP_DEVICE Pack<kPack> load_or(const float* data, int64_t i, Prefix part, float otherwise) {
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
  // factors: null, or of the width; multiplies.
  NAMP_DEVICE WarpRow(const void* data, int32_t dtype, int64_t first, int64_t width, int lane,
                      const float* factors = nullptr)
      : data_(data), dtype_(dtype), first_(first), factors_(factors) {
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
      for_row_packs<true>(width, lane, [&](int slot, int64_t i, Prefix part) {
        held_[slot] = times_factors(held_[slot], i, part);
      });
    }
  }

  NAMP_DEVICE Pack<kPack> pack(int slot, int64_t i, Prefix part) const {
    if constexpr (kHeld) {
      return held_[slot];
    } else {
      return times_factors(load_as(data_, dtype_, first_ + i, part), i, part);
    }
  }

 private:
  NAMP_DEVICE Pack<kPack> times_factors(const Pack<kPack>& x, int64_t i, Prefix part) const {
    if (factors_ == nullptr) return x;
    return map([](float y, float factor) { return y * factor; }, x, load(factors_ + i, part));
  }

  const void* data_;
  int32_t dtype_;
  int64_t first_;
  const float* factors_;
  Pack<kPack> held_[kHeld ? kHeldPacks : 1];
};

// The kCount sums over a row of the packs that body(slot, i, part, packs) gives; in every lane.
template <bool kHeld, int kCount, class Body>
NAMP_DEVICE void sum_row(int64_t width, int lane, float (&sums)[kCount], Body&& body) {
  Pack<kPack> of_lane[kCount] = {};
  for_row_packs<kHeld>(width, lane, [&](int slot, int64_t i, Prefix part) {
    Pack<kPack> terms[kCount];
    body(slot, i, part, terms);
#pragma unroll
    for (int k = 0; k < kCount; ++k) {
      if (!part.is_whole()) {
#pragma unroll
        for (int j = 0; j < kPack; ++j)
          terms[k].at[j] = j < part.there ? terms[k].at[j] : 0.0f;
      }
      of_lane[k] = map(Plus(), of_lane[k], terms[k]);
    }
  });
#pragma unroll
  for (int k = 0; k < kCount; ++k) {
    float* at = of_lane[k].at;
#pragma unroll
    for (int half = kPack / 2; half > 0; half /= 2) {
#pragma unroll
      for (int j = 0; j < half; ++j)
        at[j] += at[j + half];
    }
    sums[k] = warp_reduce(at[0], Plus());
  }
}

// Writes a norm's gradient of a row of the input, which begins at element first: what gradient_of(slot,
// i, part) gives, and the residual gradient if there is one; and its copy. Args: of layer norm or RMS
// norm.
template <bool kHeld, class Args, class Body>
NAMP_DEVICE void write_input_gradient(const Args& args, int64_t first, int lane,
                                      Body&& gradient_of) {
  with_element(args.input_dtype, [&](auto element) {
    using T = typename decltype(element)::Type;
    auto* gradient = static_cast<T*>(args.input_gradient) + first;
    const auto* residual = static_cast<const T*>(args.residual_gradient);
    for_row_packs<kHeld>(args.width, lane, [&](int slot, int64_t i, Prefix part) {
      auto x = gradient_of(slot, i, part);
      if (residual != nullptr) x = map(Plus(), load(residual + first + i, part), x);
      store(x, gradient + i, part);
      if constexpr (std::is_same_v<T, float>) {
        if (args.input_gradient_copy != nullptr)
          store_as(x, args.input_gradient_copy, args.output_dtype, first + i, part);
      }
    });
  });
}

// Calls body(std::bool_constant<whether a row is held>, row, lane) for this warp's rows, of all or of
// this block's.
template <class Body>
NAMP_DEVICE void for_held_rows(int64_t rows, int64_t width, Body&& body) {
  if (width <= kHeldWidth) {
    for_warp_rows(rows, [&](int64_t row, int lane) { body(std::true_type(), row, lane); });
  } else {
    for_warp_rows(rows, [&](int64_t row, int lane) { body(std::false_type(), row, lane); });
  }
}
template <int kThreads, class Body>
NAMP_DEVICE void for_held_rows(const RowRange& rows, int64_t width, Body&& body) {
  const int lane = thread_index() % kWarp;
  const int warp = thread_index() / kWarp;
  if (width <= kHeldWidth) {
    for (int64_t row = rows.begin + warp; row < rows.end; row += kThreads / kWarp)
      body(std::true_type(), row, lane);
  } else {
    for (int64_t row = rows.begin + warp; row < rows.end; row += kThreads / kWarp)
      body(std::false_type(), row, lane);
  }
}

}  // namespace namp::cuda
