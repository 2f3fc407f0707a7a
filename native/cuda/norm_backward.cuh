// The backward pass of layer norm and RMS norm, whose calls have fields of the same names. A warp reads a row
// of up to kHeldWidth from memory once, writes the input's gradient, and adds its columns to the gradients of
// gamma and beta in registers. Other rows, wide or not aligned, a block reads once for its columns' sums, in
// the same order, and again for the input's gradient.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/lane_sums.cuh"
#include "cuda/norm_row.cuh"

namespace namp::cuda {

// What makes a row's elements normal, and divides its gradient.
struct NormScale {
  float mean;
  float inverse;
  float inverse_deviation;
};

struct LayerNorm {
  using Args = namp_layer_norm_args;
  static constexpr bool kCentered = true;
  NAMP_DEVICE static bool keeps_normal(const Args& args) { return args.normalized != nullptr; }
  NAMP_DEVICE static const void* elements(const Args& args) {
    return keeps_normal(args) ? args.normalized : args.input;
  }
  NAMP_DEVICE static float* beta_gradient(const Args& args) { return args.beta_gradient; }
  NAMP_DEVICE static NormScale scale(const Args& args, int64_t row, bool normal) {
    const float inverse = load(args.inverse_deviation + row);
    return {normal ? 0.0f : load(args.mean + row), normal ? 1.0f : inverse, inverse};
  }
};

struct RmsNorm {
  using Args = namp_rms_norm_args;
  static constexpr bool kCentered = false;
  NAMP_DEVICE static bool keeps_normal(const Args&) { return false; }
  NAMP_DEVICE static const void* elements(const Args& args) { return args.input; }
  NAMP_DEVICE static float* beta_gradient(const Args&) { return nullptr; }
  NAMP_DEVICE static NormScale scale(const Args& args, int64_t row, bool) {
    const float inverse = load(args.inverse_rms + row);
    return {0.0f, inverse, inverse};
  }
};

// Sums of a row and of a column: of gradient times normal element, and of the gradient alone.
template <class Norm>
inline constexpr int kNormSums = Norm::kCentered ? 2 : 1;

template <class Norm>
NAMP_DEVICE int32_t elements_dtype(const typename Norm::Args& args) {
  return Norm::keeps_normal(args) ? args.output_dtype : args.input_dtype;
}

// normal: whether they are so already; a constant, or known only at run time.
template <class Norm, class Normal>
NAMP_DEVICE Pack<kPack> make_normal(const Pack<kPack>& x, const NormScale& scale, Normal) {
  if constexpr (std::is_same_v<Normal, std::true_type>) {
    return x;
  } else if constexpr (Norm::kCentered) {
    return map([&](float y) { return normalize(y, scale.mean, scale.inverse); }, x);
  } else {
    return map([&](float y) { return y * scale.inverse; }, x);
  }
}

// Adds a row's pack to the sums of its columns.
template <class Norm>
NAMP_DEVICE void add_columns(Pack<kPack>* sums, const Pack<kPack>& g, const Pack<kPack>& normal) {
  sums[0] = map([](float sum, float y, float x) { return sum + y * x; }, sums[0], g, normal);
  if constexpr (Norm::kCentered) sums[1] = map(Plus(), sums[1], g);
}

template <class T>
NAMP_DEVICE void prefetch_pack(OneType<T>, const void* data, int64_t i) {
  asm volatile("prefetch.global.L2 [%0];" ::"l"(global_address(static_cast<const T*>(data) + i)));
}

// What a warp does with a row.
template <class Norm, class Types, class Normal>
struct RowBackward {
  using Args = typename Norm::Args;
  using Part = typename Types::Part;
  static constexpr int kSums = kNormSums<Norm>;
  // Packs under way: as many as have registers beside the columns' sums.
  static constexpr int kPacks = kSums > 1 || sizeof(typename Types::Fetched) > 32 ? 1 : 2;

  const Args& args;
  Normal normal;
  int lane;
  int64_t first;
  NormScale scale;

  NAMP_DEVICE typename Types::Fetched fetch(int64_t i, Part part) const {
    return {
        Types::output().fetch(args.output_gradient, args.output_dtype, first + i, part),
        Types::element().fetch(Norm::elements(args), elements_dtype<Norm>(args), first + i, part)};
  }
  NAMP_DEVICE auto fetch_residual(int64_t i, Part part) const {
    return Types::input().fetch(args.residual_gradient, args.input_dtype, first + i, part);
  }
  NAMP_DEVICE Pack<kPack> gradient(const typename Types::Fetched& fetched) const {
    return numbers(fetched.gradient);
  }
  NAMP_DEVICE Pack<kPack> times_gamma(const Pack<kPack>& g, int64_t i, Part part) const {
    if (Types::kAny && args.gamma == nullptr) return g;
    return map([](float y, float factor) { return y * factor; }, g, load(args.gamma + i, part));
  }
  NAMP_DEVICE Pack<kPack> normal_of(const typename Types::Fetched& fetched) const {
    return make_normal<Norm>(numbers(fetched.element), scale, normal);
  }
  // Adds a pack to the row's sums.
  NAMP_DEVICE void add(const Pack<kPack>& g, const Pack<kPack>& x, int64_t i, Part part,
                       Pack<kPack>* of_lane) const {
    const Pack<kPack> scaled = times_gamma(g, i, part);
    add_there(of_lane[0], map([](float y, float z) { return y * z; }, scaled, x), part);
    if constexpr (kSums > 1) add_there(of_lane[1], scaled, part);
  }
  // Divides the row's sums.
  NAMP_DEVICE void finish(const Pack<kPack> (&of_lane)[kSums], float* means) const {
    float sums[kSums];
    sum_lanes(of_lane, sums);
    means[1] = 0.0f;
#pragma unroll
    for (int k = 0; k < kSums; ++k)
      means[k] = sums[k] / static_cast<float>(args.width);
  }
  NAMP_DEVICE void write(const typename Types::Fetched& fetched, Pack<kPack> residual,
                         bool has_residual, int64_t i, Part part, const float* means) const {
    const float inverse = scale.inverse_deviation;
    const float mean_g_normal = means[0];
    const float mean_g = means[1];
    Pack<kPack> x = map(
        [=](float g, float y) { return normalize_gradient(g, y, inverse, mean_g, mean_g_normal); },
        times_gamma(gradient(fetched), i, part), normal_of(fetched));
    if (has_residual) x = map(Plus(), residual, x);
    Types::input().put(x, args.input_gradient, args.input_dtype, first + i, part);
    if (args.input_gradient_copy != nullptr)
      Types::output().put(x, args.input_gradient_copy, args.output_dtype, first + i, part);
  }

  // Each pass reads the row.
  NAMP_DEVICE void again() const {
    Pack<kPack> of_lane[kSums] = {};
    float means[2];
    for (int64_t i = lane * kPack; i < args.width; i += kSlotColumns) {
      const Part part(Prefix(args.width - i));
      const auto fetched = fetch(i, part);
      add(gradient(fetched), normal_of(fetched), i, part, of_lane);
    }
    finish(of_lane, means);
    for (int64_t i = lane * kPack; i < args.width; i += kSlotColumns) {
      const Part part(Prefix(args.width - i));
      if (args.residual_gradient != nullptr) {
        write(fetch(i, part), numbers(fetch_residual(i, part)), true, i, part, means);
      } else {
        write(fetch(i, part), {}, false, i, part, means);
      }
    }
  }

  NAMP_DEVICE int index(int slot) const { return (slot * kWarp + lane) * kPack; }
  template <bool kResidual>
  NAMP_DEVICE void write_all(const float* means) const {
    using Residual = decltype(fetch_residual(0, Part(Prefix(0))));
    // Narrowing to halves takes the registers of a second one.
    constexpr int kTogether = std::is_same_v<Residual, RawPack<float, kPack>> ? kPacks : 1;
    const int width = static_cast<int>(args.width);
    if (index(0) >= width) return;
#pragma unroll
    for (int slot = 0; slot < kHeldPacks; slot += kTogether) {
      typename Types::Fetched fetched[kTogether];
      Residual residual[kTogether];
#pragma unroll
      for (int k = 0; k < kTogether; ++k) {
        const int i = index(slot + k);
        // As above, but the lane's own first pack: others may be overwritten by now.
        const int at = i < width ? i : index(0);
        if constexpr (kResidual) residual[k] = fetch_residual(at, Part(Prefix(width - at)));
        fetched[k] = fetch(at, Part(Prefix(width - at)));
      }
#pragma unroll
      for (int k = 0; k < kTogether; ++k) {
        const int i = index(slot + k);
        if (i >= width) continue;
        Pack<kPack> other = {};
        if constexpr (kResidual) other = numbers(residual[k]);
        write(fetched[k], other, kResidual, i, Part(Prefix(width - i)), means);
      }
    }
  }
  // Begins to bring the row to the second-level cache.
  NAMP_DEVICE void prefetch() const {
    const int width = static_cast<int>(args.width);
#pragma unroll
    for (int slot = 0; slot < kHeldPacks; ++slot) {
      const int i = index(slot);
      if (i >= width) continue;
      prefetch_pack(Types::output(), args.output_gradient, first + i);
      prefetch_pack(Types::element(), Norm::elements(args), first + i);
      if (args.residual_gradient != nullptr)
        prefetch_pack(Types::input(), args.residual_gradient, first + i);
    }
  }
  // Adds its columns too.
  NAMP_DEVICE void once(Pack<kPack> (&sums)[kHeldPacks][kSums]) {
    const int width = static_cast<int>(args.width);
    Pack<kPack> of_lane[kSums] = {};
    float means[2];
#pragma unroll
    for (int slot = 0; slot < kHeldPacks; slot += kPacks) {
      typename Types::Fetched fetched[kPacks];
#pragma unroll
      for (int k = 0; k < kPacks; ++k) {
        // Behind the row, its first pack: a load for some lanes would not be under way with the next one.
        const int i = index(slot + k);
        const int at = i < width ? i : 0;
        fetched[k] = fetch(at, Part(Prefix(width - at)));
      }
#pragma unroll
      for (int k = 0; k < kPacks; ++k) {
        const int i = index(slot + k);
        if (i < width) {
          const Pack<kPack> g = gradient(fetched[k]);
          const Pack<kPack> x = normal_of(fetched[k]);
          add_columns<Norm>(sums[slot + k], g, x);
          add(g, x, i, Part(Prefix(width - i)), of_lane);
        }
      }
    }
    finish(of_lane, means);
    // The row comes out of the first-level cache. Its addresses are made anew: kept, they would take the
    // registers of the sums.
    lane = opaque(lane);
    first = opaque(first);
    if (args.residual_gradient != nullptr) {
      write_all<true>(means);
    } else {
      write_all<false>(means);
    }
  }
};

// Whether a warp's next row is on its way to the second-level cache while it works on one.
inline constexpr bool kPrefetches = true;

// A block's slice of rows that are read once.
template <class Norm, class Finish>
struct SliceOnce {
  const ColumnSumArgs<typename Norm::Args>& args;
  uint32_t slice;
  bool with_sums;
  const Finish& finish;

  template <class Types, class Normal>
  NAMP_DEVICE void operator()(Types, Normal normal) const {
    Pack<kPack> sums[kHeldPacks][kNormSums<Norm>] = {};
    const RowRange rows = args.split.rows_of(slice);
    const int count = static_cast<int>(rows.end - rows.begin);
    // Addresses are made anew for each row: kept, they would take the registers of the sums.
    const auto at = [&](int i) {
      return RowBackward<Norm, Types, Normal>{args.call,
                                              normal,
                                              opaque(thread_index() % kWarp),
                                              opaque((rows.begin + i) * args.call.width),
                                              {}};
    };
    for (int i = thread_index() / kWarp; i < count; i += kSliceWarps) {
      auto row = at(i);
      row.scale = Norm::scale(args.call, opaque(rows.begin + i), normal);
      if (kPrefetches && i + kSliceWarps < count) at(i + kSliceWarps).prefetch();
      row.once(sums);
    }
    if (!with_sums) return;
#pragma unroll
    for (int slot = 0; slot < kHeldPacks; ++slot) {
      if (slot * kSlotColumns < args.call.width)
        add_warps<kNormSums<Norm>>(args, slice, slot, sums[slot], finish);
    }
  }
};

// The part of a row that the sums of its columns read.
template <class Out, class In>
struct ColumnPacks {
  RawPack<Out, kPack> gradient;
  RawPack<In, kPack> elements;
  NormScale scale;
};

// Adds a slot's columns over this warp's rows of a slice.
template <class Norm>
NAMP_DEVICE void add_slot(const typename Norm::Args& call, const RowRange& rows, int64_t slot,
                          Pack<kPack>* sums) {
  const int thread = opaque(thread_index());
  const int64_t column = slot * kSlotColumns + thread % kWarp * kPack;
  if (column >= call.width) return;
  const bool normal = Norm::keeps_normal(call);
  const Prefix part(call.width - column);
  with_elements(call.output_dtype, elements_dtype<Norm>(call), [&](auto out, auto in) {
    using Out = typename decltype(out)::Type;
    using In = typename decltype(in)::Type;
    const auto* gradient = static_cast<const Out*>(call.output_gradient);
    const auto* elements = static_cast<const In*>(Norm::elements(call));
    const auto fetch = [&](int64_t row) {
      const int64_t at = row * call.width + column;
      return ColumnPacks<Out, In>{load_raw(gradient + at, part), load_raw(elements + at, part),
                                  Norm::scale(call, row, normal)};
    };
    const auto add = [&](const ColumnPacks<Out, In>& row) {
      add_columns<Norm>(sums, widen_numbers(row.gradient),
                        make_normal<Norm>(widen_numbers(row.elements), row.scale, normal));
    };
    int64_t row = rows.begin + thread / kWarp;
    for (; row + kSliceWarps < rows.end; row += 2 * kSliceWarps) {
      const auto one = fetch(row);
      const auto next = fetch(row + kSliceWarps);
      add(one);
      add(next);
    }
    if (row < rows.end) add(fetch(row));
  });
}

// The kernel. What a warp reads may be overwritten by the input's gradient: no other warp reads it.
template <class Norm>
NAMP_DEVICE void norm_backward(const ColumnSumArgs<typename Norm::Args>& args) {
  constexpr int kSums = kNormSums<Norm>;
  const typename Norm::Args& call = args.call;
  float* const beta_gradient = Norm::beta_gradient(call);
  const bool with_sums = call.gamma_gradient != nullptr || beta_gradient != nullptr;
  const bool normal = Norm::keeps_normal(call);
  const auto finish = [&](int k, int64_t column, double sum) {
    float* gradient = k == 0 ? call.gamma_gradient : beta_gradient;
    if (gradient != nullptr) store(static_cast<float>(sum), gradient + column);
  };
  const int slices = static_cast<int>(args.split.slices);
  for (int at = static_cast<int>(block_index()); at < slices;
       at += static_cast<int>(block_count())) {
    at = opaque(at);  // else its rows would be counted on, in registers beside the sums
    const auto slice = static_cast<uint32_t>(at);
    const bool aligned =
        call.width <= kHeldWidth && call.gamma != nullptr &&
        are_aligned(call.output_gradient, Norm::elements(call), call.gamma, call.input_gradient,
                    call.residual_gradient, call.input_gradient_copy);
    if (!with_aligned_types<Norm::kCentered>(
            call, aligned, normal,
            SliceOnce<Norm, decltype(finish)>{args, slice, with_sums, finish})) {
      const RowRange rows = args.split.rows_of(slice);
      for (int64_t slot = 0; with_sums && slot * kSlotColumns < call.width; ++slot) {
        Pack<kPack> sums[kSums] = {};
        add_slot<Norm>(call, rows, slot, sums);
        add_warps<kSums>(args, slice, slot, sums, finish);
      }
      const int thread = opaque(thread_index());
      for (int64_t row = rows.begin + thread / kWarp; row < rows.end; row += kSliceWarps) {
        RowBackward<Norm, AnyTypes, bool>{call, normal, thread % kWarp, row * call.width,
                                          Norm::scale(call, row, normal)}
            .again();
      }
    }
    if (with_sums) add_slices<kSums>(args, slice, finish);
  }
}

}  // namespace namp::cuda
