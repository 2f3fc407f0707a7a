// Rows of values, or groups of their columns, as integers of 8 bits with one scale each, and back, a
// warp for each; and values by a scale that is given.
#include "cuda/platform.cuh"

#include "code_groups.h"
#include "cuda/kernels.h"
#include "cuda/warp_row.cuh"
#include "formulas/integer_codes.h"

namespace namp::cuda {
namespace {

template <int kCount, class Code>
NAMP_DEVICE RawPack<uint8_t, kCount> codes_of(const Pack<kCount>& x, Code&& code) {
  RawPack<uint8_t, kCount> codes;
#pragma unroll
  for (int j = 0; j < kCount; ++j)
    codes.at[j] = static_cast<uint8_t>(code(x.at[j]));
  return codes;
}

struct Larger {
  NAMP_DEVICE uint32_t operator()(uint32_t a, uint32_t b) const { return larger(a, b); }
};

}  // namespace

NAMP_KERNEL(kRowThreads) quantize_rows_kernel(const namp_row_codes_args args) {
  const int64_t groups = code_groups(args.width, args.group);
  const int64_t most = groups == 1 ? args.width : args.group;
  for_held_rows(args.rows * groups, most, [&](auto held, int64_t row, int lane) {
    constexpr bool kHeld = decltype(held)::value;
    const CodeGroup group(row, args.width, args.group, groups);
    const WarpRow<kHeld> x(args.input, args.dtype, group.begin, group.width, lane);
    uint32_t magnitude = 0;
    for_row_packs<kHeld>(group.width, lane, [&](int slot, int64_t i, Prefix part) {
      const Pack<kPack> pack = x.pack(slot, i, part);  // zeros behind the row
#pragma unroll
      for (float y : pack.at)
        magnitude = larger(magnitude, bits(y) & 0x7fffffffu);
    });
    const float scale = row_scale(warp_reduce(magnitude, Larger()));
    if (lane == 0) store_global(args.scales + row, scale);
    auto* codes = reinterpret_cast<uint8_t*>(args.codes) + group.begin;
    for_row_packs<kHeld>(group.width, lane, [&](int slot, int64_t i, Prefix part) {
      RawPack<uint8_t, kPack> pack{};
      if (scale > 0.0f) {
        pack = codes_of(x.pack(slot, i, part), [&](float y) { return row_code(y, scale); });
      }
      store_raw(pack, codes + i, part);
    });
  });
}

NAMP_KERNEL(kRowThreads) decode_rows_kernel(const namp_row_codes_args args) {
  const int64_t groups = code_groups(args.width, args.group);
  with_element(args.dtype, [&](auto element) {
    using T = typename decltype(element)::Type;
    for_warp_rows(args.rows * groups, [&](int64_t row, int lane) {
      const CodeGroup group(row, args.width, args.group, groups);
      const float scale = load(args.scales + row);
      const auto* codes = reinterpret_cast<const uint8_t*>(args.codes) + group.begin;
      T* output = static_cast<T*>(args.output) + group.begin;
      for_row_packs<false>(group.width, lane, [&](int, int64_t i, Prefix part) {
        const auto raw = load_raw(codes + i, part);
        Pack<kPack> y;
#pragma unroll
        for (int j = 0; j < kPack; ++j)
          y.at[j] = same_nan(static_cast<float>(static_cast<int8_t>(raw.at[j])) * scale, scale);
        store(y, output + i, part);
      });
    });
  });
}

NAMP_KERNEL(kElementThreads) quantize_tensor_kernel(const namp_tensor_codes_args args) {
  const auto zero = static_cast<float>(args.zero_point);
  with_element(args.dtype, [&](auto element) {
    using T = typename decltype(element)::Type;
    for_tasks(args.count, [&](int64_t begin, int64_t count) {
      const T* input = static_cast<const T*>(args.input) + begin;
      uint8_t* codes = reinterpret_cast<uint8_t*>(args.codes) + begin;
      for_packs(count, choose_peel(access(input), access(codes)), [&](int64_t i, auto part) {
        const auto code = [&](float x) { return tensor_code(x, args.scale, zero); };
        store_raw(codes_of(load(input + i, part), code), codes + i, part);
      });
    });
  });
}

}  // namespace namp::cuda
