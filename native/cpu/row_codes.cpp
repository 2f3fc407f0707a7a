// Rows of values, or groups of their columns, as integers of 8 bits with one scale each, and back; and
// values by a scale that is given. A group is read twice, the second time from the cache.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/row_codes.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/code_bytes-inl.h"
#include "cpu/reduce-inl.h"
#include "formulas/integer_codes.h"

#include <algorithm>

#include "cpu/block_gemm.h"
#include "cpu/cpu_backend.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

using CodeTag = hn::Rebind<int8_t, LaneTag>;

// The bits of the largest magnitude.
template <class T>
HWY_INLINE uint32_t largest_magnitude(const T* x, int64_t width) {
  LaneBits largest(0u);
  for_lanes(width, [&](int64_t i, auto part) NAMP_LANES {
    largest = larger(largest, bits(load(x + i, part)) & 0x7fffffffu);
  });
  return largest_of(largest);
}

HWY_INLINE Lane load_codes(const int8_t* p, Whole) {
  return Lane(hn::ConvertTo(LaneTag(), hn::PromoteTo(SignedTag(), hn::LoadU(CodeTag(), p))));
}
HWY_INLINE Lane load_codes(const int8_t* p, Part part) {
  int8_t buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<size_t>(part.count));
  return load_codes(buffer, Whole{});
}

// Codes by multiplication with 1 / scale, which takes three quarters of division's time. The level is
// then within 5e-5 of the quotient, so that the codes are the same where no level is as near as kNear
// to the middle of two integers; lanes with such a level are divided.
struct QuickCodes {
  static constexpr float kNear = 1e-4f;

  // zero: the code of 0. Levels are kept from least to most. Where 1 / scale may be subnormal or
  // infinite, it is of no use.
  HWY_INLINE QuickCodes(float scale, float least, float most, int32_t zero)
      : is_exact(scale >= 0x1p-100f && scale <= 0x1p100f),
        inverse(1.0f / scale),
        least(least),
        most(most),
        zero(static_cast<uint32_t>(zero)) {}

  // The codes of a lane; distance is that of the levels from integers. A NaN has the code of 0.
  HWY_INLINE LaneBits of(Lane x, Lane& distance) const {
    const Lane level = x * inverse;
    const Lane number = select(level == level, level, Lane(0.0f));
    const Lane kept = larger(smaller(number, most), least);
    const Lane units = kept + Lane(kCodeUnits);
    distance = abs(kept - (units - Lane(kCodeUnits)));
    return bits(units) + zero;
  }

  bool is_exact;
  Lane inverse;
  Lane least;
  Lane most;
  LaneBits zero;
};

// Writes the codes of values, by divided(x) or, where they are the same, by quick.
template <class T, class Divided>
HWY_INLINE void write_codes(const T* x, uint8_t* codes, int64_t count, const QuickCodes& quick,
                            const Divided& divided) {
  constexpr int64_t kTogether = 4;
  const auto divide = [=](int64_t i, auto part)
                          NAMP_LANES { store_codes(divided(load(x + i, part)), codes + i, part); };
  int64_t done = 0;
  for (; quick.is_exact && done + kTogether * kLanes <= count; done += kTogether * kLanes) {
    LaneBits some[kTogether];
    Lane distance[kTogether];
#pragma GCC unroll 4
    for (int64_t j = 0; j < kTogether; ++j)
      some[j] = quick.of(load(x + done + j * kLanes), distance[j]);
    const Lane most = larger(larger(distance[0], distance[1]), larger(distance[2], distance[3]));
    if (any(most > Lane(0.5f - QuickCodes::kNear))) {
      for (int64_t j = 0; j < kTogether; ++j)
        divide(done + j * kLanes, Whole{});
      continue;
    }
#pragma GCC unroll 4
    for (int64_t j = 0; j < kTogether; ++j)
      store_codes(some[j], codes + done + j * kLanes, Whole{});
  }
  for_lanes(count - done, [=](int64_t i, auto part) NAMP_LANES { divide(done + i, part); });
}

// Groups begin to end of those of all rows.
void quantize_some_rows(const namp_row_codes_args& args, int64_t begin, int64_t end) {
  const int64_t groups = code_groups(args.width, args.group);
  with_element(args.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    for (int64_t r = begin; r < end; ++r) {
      const CodeGroup group(r, args.width, args.group, groups);
      const int64_t width = group.width;
      const T* x = static_cast<const T*>(args.input) + group.begin;
      auto* codes = reinterpret_cast<uint8_t*>(args.codes) + group.begin;
      const float scale = row_scale(largest_magnitude(x, width));
      args.scales[r] = scale;
      if (!(scale > 0.0f)) {
        std::fill(codes, codes + width, uint8_t{0});
        continue;
      }
      write_codes(x, codes, width, QuickCodes(scale, -127.0f, 127.0f, 0),
                  [=](Lane y) NAMP_LANES { return row_code(y, Lane(scale)); });
    }
  });
}

void dequantize_some_rows(const namp_row_codes_args& args, int64_t begin, int64_t end) {
  const int64_t groups = code_groups(args.width, args.group);
  with_element(args.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    for (int64_t r = begin; r < end; ++r) {
      const CodeGroup group(r, args.width, args.group, groups);
      const int8_t* codes = args.codes + group.begin;
      T* y = static_cast<T*>(args.output) + group.begin;
      const Lane scale(args.scales[r]);
      for_lanes(group.width, [=](int64_t i, auto part) NAMP_LANES {
        store(same_nan(load_codes(codes + i, part) * scale, scale), y + i, part);
      });
    }
  });
}

void quantize_some_values(const namp_tensor_codes_args& args, int64_t begin, int64_t end) {
  const Lane scale(args.scale);
  const auto zero = static_cast<float>(args.zero_point);
  with_element(args.dtype, [&](auto element) NAMP_LANES {
    using T = typename decltype(element)::Type;
    const T* x = static_cast<const T*>(args.input) + begin;
    auto* codes = reinterpret_cast<uint8_t*>(args.codes) + begin;
    write_codes(x, codes, end - begin,
                QuickCodes(args.scale, -128.0f - zero, 127.0f - zero, args.zero_point),
                [=](Lane y) NAMP_LANES { return tensor_code(y, scale, zero); });
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
NAMP_SIMD_TABLE(quantize_some_rows);
NAMP_SIMD_TABLE(dequantize_some_rows);
NAMP_SIMD_TABLE(quantize_some_values);

namespace {

template <class Rows>
void for_groups(const Threads& threads, const namp_row_codes_args& args, Rows rows) {
  const int64_t groups = code_groups(args.width, args.group);
  threads.parallel_for(args.rows * groups,
                       std::max<int64_t>(1, kChunkElements / divide_up(args.width, groups)),
                       [&](int64_t begin, int64_t end) { rows(args, begin, end); });
}

}  // namespace

void CpuBackend::quantize_rows(const namp_row_codes_args& args, namp_stream) {
  for_groups(threads_, args, quantize_some_rows_by_simd(simd_));
}

void CpuBackend::dequantize_rows(const namp_row_codes_args& args, namp_stream) {
  for_groups(threads_, args, dequantize_some_rows_by_simd(simd_));
}

void CpuBackend::quantize_tensor(const namp_tensor_codes_args& args, namp_stream) {
  const auto values = quantize_some_values_by_simd(simd_);
  threads_.parallel_for(args.count, kChunkElements,
                        [&](int64_t begin, int64_t end) { values(args, begin, end); });
}

}  // namespace namp
#endif
