// Rows of values as integers of 8 bits with one scale each, and back; and values by a scale that is
// given. A row is read twice, the second time from the cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/row_codes.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/code_bytes-inl.h"
#include "cpu/reduce-inl.h"

#include <algorithm>
#include <limits>

#include "cpu/cpu_backend.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

using CodeTag = hn::Rebind<int8_t, LaneTag>;

// The largest magnitude; NaN if a value is infinite or NaN.
template <class T>
HWY_INLINE float largest_magnitude(const T* x, int64_t width) {
  LaneBits largest(0u);
  for_lanes(width, [&](int64_t i, auto part) NAMP_LANES {
    largest = larger(largest, bits(load(x + i, part)) & 0x7fffffffu);
  });
  const uint32_t found = largest_of(largest);
  return found < 0x7f800000u ? ::namp::from_bits(found) : std::numeric_limits<float>::quiet_NaN();
}

// The integer nearest to x, ties to even, in the low bits: with 1.5 * 2^23 added, units are the
// last place. |x| is less than 2^22.
HWY_INLINE LaneBits nearest_integer(Lane x) { return bits(x + 0x1.8p23f); }

HWY_INLINE Lane load_codes(const int8_t* p, Whole) {
  return Lane(hn::ConvertTo(LaneTag(), hn::PromoteTo(SignedTag(), hn::LoadU(CodeTag(), p))));
}
HWY_INLINE Lane load_codes(const int8_t* p, Part part) {
  int8_t buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<size_t>(part.count));
  return load_codes(buffer, Whole{});
}

void quantize_some_rows(const namp_row_codes_args& args, int64_t begin, int64_t end) {
  const int64_t width = args.width;
  with_element(args.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    for (int64_t r = begin; r < end; ++r) {
      const T* x = static_cast<const T*>(args.input) + r * width;
      auto* codes = reinterpret_cast<uint8_t*>(args.codes) + r * width;
      const float scale = largest_magnitude(x, width) / 127.0f;
      args.scales[r] = scale;
      if (!(scale > 0.0f)) {
        std::fill(codes, codes + width, uint8_t{0});
        continue;
      }
      for_lanes(width, [=](int64_t i, auto part) NAMP_LANES {
        const Lane level = load(x + i, part) / Lane(scale);
        // A scale that is subnormal is so far from m / 127 that levels beyond 127 occur.
        const Lane above = select(level > Lane(127.0f), Lane(127.0f), level);
        const Lane kept = select(above < Lane(-127.0f), Lane(-127.0f), above);
        store_codes(nearest_integer(kept), codes + i, part);
      });
    }
  });
}

void dequantize_some_rows(const namp_row_codes_args& args, int64_t begin, int64_t end) {
  const int64_t width = args.width;
  with_element(args.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    for (int64_t r = begin; r < end; ++r) {
      const int8_t* codes = args.codes + r * width;
      T* y = static_cast<T*>(args.output) + r * width;
      const Lane scale(args.scales[r]);
      for_lanes(width, [=](int64_t i, auto part) NAMP_LANES {
        store(same_nan(load_codes(codes + i, part) * scale, scale), y + i, part);
      });
    }
  });
}

void quantize_some_values(const namp_tensor_codes_args& args, int64_t begin, int64_t end) {
  constexpr float kUnits = 0x1.8p23f;  // as in nearest_integer
  const Lane scale(args.scale);
  const auto zero = static_cast<float>(args.zero_point);
  const Lane least(-128.0f - zero);
  const Lane most(127.0f - zero);
  with_element(args.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const T* x = static_cast<const T*>(args.input) + begin;
    auto* codes = reinterpret_cast<uint8_t*>(args.codes) + begin;
    for_lanes(end - begin, [=](int64_t i, auto part) NAMP_LANES {
      const Lane level = load(x + i, part) / scale;
      const Lane number = select(level == level, level, Lane(0.0f));
      const Lane below = select(number > most, most, number);
      const Lane kept = select(below < least, least, below);
      const Lane rounded = (kept + kUnits) - kUnits;
      store_codes(nearest_integer(rounded + zero), codes + i, part);
    });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

int64_t row_grain(int64_t width) { return std::max<int64_t>(1, kChunkElements / width); }

}  // namespace

NAMP_SIMD_TABLE(quantize_some_rows);
NAMP_SIMD_TABLE(dequantize_some_rows);
NAMP_SIMD_TABLE(quantize_some_values);

void CpuBackend::quantize_rows(const namp_row_codes_args& args, namp_stream) {
  const auto rows = quantize_some_rows_by_simd(simd_);
  threads_.parallel_for(args.rows, row_grain(args.width),
                        [&](int64_t begin, int64_t end) { rows(args, begin, end); });
}

void CpuBackend::dequantize_rows(const namp_row_codes_args& args, namp_stream) {
  const auto rows = dequantize_some_rows_by_simd(simd_);
  threads_.parallel_for(args.rows, row_grain(args.width),
                        [&](int64_t begin, int64_t end) { rows(args, begin, end); });
}

void CpuBackend::quantize_tensor(const namp_tensor_codes_args& args, namp_stream) {
  const auto values = quantize_some_values_by_simd(simd_);
  threads_.parallel_for(args.count, kChunkElements,
                        [&](int64_t begin, int64_t end) { values(args, begin, end); });
}

}  // namespace namp
#endif
