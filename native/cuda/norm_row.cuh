// A row of a norm, a warp's, and how its elements are read and written. Where every row begins at 16 bytes,
// and the dtypes are those of a model in one precision or under autocast, they are types; otherwise a branch
// at each access finds them.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/view.cuh"
#include "cuda/warp_row.cuh"
#include "formulas/norm.h"

namespace namp::cuda {

// A pack that is whole and begins where is_aligned.
struct Aligned {
  static constexpr int count = kPack;
  NAMP_DEVICE explicit Aligned(Prefix) {}
  NAMP_DEVICE static constexpr bool is_whole() { return true; }
  static constexpr int there = kPack;
};
template <class T>
NAMP_DEVICE RawPack<T, kPack> load_raw(const T* p, Aligned) {
  return load_aligned(p);
}
template <class T>
NAMP_DEVICE void store_raw(const RawPack<T, kPack>& pack, T* p, Aligned) {
  store_aligned(pack, p);
}

// OneType or AnyType of the norm's input and of its output; Element: of the rows that backward reads, which
// are the input's, or normal already.
template <class Input, class Output, class Element, class PackPart>
struct RowTypes {
  using Part = PackPart;
  static constexpr bool kAny = std::is_same_v<Part, Prefix>;
  NAMP_DEVICE static Input input() { return {}; }
  NAMP_DEVICE static Output output() { return {}; }
  NAMP_DEVICE static Element element() { return {}; }

  // A pack of a row that backward reads.
  struct Fetched {
    decltype(Output().fetch(nullptr, 0, 0, Part(Prefix(0)))) gradient;
    decltype(Element().fetch(nullptr, 0, 0, Part(Prefix(0)))) element;
  };
};
using AnyTypes = RowTypes<AnyType, AnyType, AnyType, Prefix>;
template <class Input, class Output, class Element>
using AlignedTypes = RowTypes<OneType<Input>, OneType<Output>, OneType<Element>, Aligned>;

// What was fetched, for arithmetic, which gives a NaN bits of its own.
template <class T>
NAMP_DEVICE Pack<kPack> numbers(const RawPack<T, kPack>& raw) {
  return widen_numbers(raw);
}
NAMP_DEVICE const Pack<kPack>& numbers(const Pack<kPack>& wide) { return wide; }

// Whether all of these that are there begin at 16 bytes.
template <class... T>
NAMP_DEVICE bool are_aligned(const T*... data) {
  return ((uintptr_t{0} | ... | reinterpret_cast<uintptr_t>(data)) & 15) == 0;
}

// Calls body(types, std::bool_constant<whether the rows that backward reads are normal already>) with the types
// of a call, if its packs are aligned and it has such types; otherwise returns false. kNormal: whether those of
// a smaller output are normal.
template <bool kNormal, class Args, class Body>
NAMP_DEVICE bool with_aligned_types(const Args& args, bool aligned, bool normal, Body&& body) {
  if (!aligned || args.width % kPack != 0) return false;
  if (args.input_dtype == args.output_dtype && !normal) {
    with_element(args.input_dtype, [&](auto element) NAMP_LONG_LAMBDA {
      using T = typename decltype(element)::Type;
      body(AlignedTypes<T, T, T>(), std::false_type());
    });
    return true;
  }
  if (args.input_dtype != NAMP_FLOAT32 || args.output_dtype == NAMP_FLOAT32 || normal != kNormal)
    return false;
  const auto of_half = [&](auto half) NAMP_LONG_LAMBDA {
    using T = typename decltype(half)::Type;
    body(AlignedTypes<float, T, std::conditional_t<kNormal, T, float>>(),
         std::bool_constant<kNormal>());
  };
  if (args.output_dtype == NAMP_FLOAT16) {
    of_half(ElementType<Float16>());
  } else {
    of_half(ElementType<BFloat16>());
  }
  return true;
}

// A row that forward reads once, with all loads under way before the first conversion.
template <class Types>
class AlignedRow {
 public:
  using Part = typename Types::Part;
  NAMP_DEVICE AlignedRow(const void* data, int32_t dtype, int64_t first, int width, int lane) {
    decltype(Types::input().fetch(data, dtype, first, Part(Prefix(0)))) raw[kHeldPacks];
#pragma unroll
    for (int slot = 0; slot < kHeldPacks; ++slot) {
      const int i = (slot * kWarp + lane) * kPack;
      // Behind the row, its first pack: a load for some lanes would not be under way with the next one.
      raw[slot] = Types::input().fetch(data, dtype, first + (i < width ? i : 0), Part(Prefix(0)));
    }
#pragma unroll
    for (int slot = 0; slot < kHeldPacks; ++slot)
      held_[slot] = numbers(raw[slot]);
  }
  NAMP_DEVICE const Pack<kPack>& pack(int slot, int64_t, Part) const { return held_[slot]; }

 private:
  Pack<kPack> held_[kHeldPacks];
};

// Calls forward.template row<kHeld, types>(row, lane, x), with x.pack(slot, i, part), for this warp's rows.
template <class Forward>
struct NormRows {
  const Forward& forward;
  template <class Types, class Normal>
  NAMP_DEVICE void operator()(Types, Normal) const {
    const auto& args = forward.args;
    for_warp_rows(args.rows, [&](int64_t row, int of_warp) {
      // Addresses are made anew for each row: kept, they would take registers.
      const int lane = opaque(of_warp);
      const AlignedRow<Types> x(args.input, args.input_dtype, opaque(row * args.width),
                                static_cast<int>(args.width), lane);
      forward.template row<true, Types>(row, lane, x);
    });
  }
};
template <class Forward>
NAMP_DEVICE void norm_forward(const Forward& forward, bool aligned) {
  const auto& args = forward.args;
  if (with_aligned_types<false>(args, aligned && args.width <= kHeldWidth, false,
                                NormRows<Forward>{forward}))
    return;
  for_warp_rows(args.rows, [&](int64_t row, int lane) {
    const WarpRow<false> x(args.input, args.input_dtype, row * args.width, args.width, lane);
    forward.template row<false, AnyTypes>(row, lane, x);
  });
}

}  // namespace namp::cuda
