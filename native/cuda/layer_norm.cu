// Layer norm, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/column_sums.cuh"
#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "cuda/warp_row.cuh"
#include "formulas/norm.h"

namespace namp::cuda {
namespace {

// Makes a row's elements normal for backward; kept ones are normal already.
struct RowScale {
  RowScale() = default;
  NAMP_DEVICE RowScale(const namp_layer_norm_args& args, int64_t row)
      : mean(args.normalized != nullptr ? 0.0f : load(args.mean + row)),
        inverse(args.normalized != nullptr ? 1.0f : load(args.inverse_deviation + row)) {}

  float mean;
  float inverse;
};

// The part of a row that the gradients of gamma and beta read.
template <class Out, class In>
struct ParameterRow {
  RawPack<Out, kPack> gradient;
  RawPack<In, kPack> elements;
  RowScale scale;
};

}  // namespace

// The second pass over a row corrects the mean of the first.
NAMP_KERNEL(kRowThreads, 2) layer_norm_forward_kernel(const namp_layer_norm_args args) {
  const auto size = static_cast<float>(args.width);
  for_held_rows(args.rows, args.width, [&](auto held, int64_t row, int lane) {
    constexpr bool kHeld = decltype(held)::value;
    const int64_t first = row * args.width;
    const WarpRow<kHeld> x(args.input, args.input_dtype, first, args.width, lane);
    float sum[1];
    sum_row<kHeld>(args.width, lane, sum,
                   [&](int slot, int64_t i, Prefix part, Pack<kPack>* terms) {
                     terms[0] = x.pack(slot, i, part);
                   });
    const float center = sum[0] / size;
    float around[2];
    sum_row<kHeld>(args.width, lane, around,
                   [&](int slot, int64_t i, Prefix part, Pack<kPack>* terms) {
                     terms[0] = map([=](float y) { return y - center; }, x.pack(slot, i, part));
                     terms[1] = map([](float y) { return y * y; }, terms[0]);
                   });
    const auto statistics =
        row_statistics(center, around[0] / size, around[1] / size, args.epsilon);
    const float mean = statistics.mean;
    const float inverse = statistics.inverse_deviation;
    with_element(args.output_dtype, [&](auto element) {
      using T = typename decltype(element)::Type;
      T* output = static_cast<T*>(args.output) + first;
      T* kept = args.normalized == nullptr ? nullptr : static_cast<T*>(args.normalized) + first;
      for_row_packs<kHeld>(args.width, lane, [&](int slot, int64_t i, Prefix part) {
        const auto normal =
            map([=](float y) { return normalize(y, mean, inverse); }, x.pack(slot, i, part));
        if (kept != nullptr) store(normal, kept + i, part);
        store(map([](float y, float gamma, float beta) { return y * gamma + beta; }, normal,
                  load_or(args.gamma, i, part, 1.0f), load_or(args.beta, i, part, 0.0f)),
              output + i, part);
      });
    });
    if (lane == 0) {
      if (args.mean != nullptr) store(mean, args.mean + row);
      store(inverse, args.inverse_deviation + row);
    }
  });
}

namespace {

// Adds a slice's contributions to the gradients of gamma and beta.
struct AddParameters {
  const namp_layer_norm_args& call;

  NAMP_DEVICE void operator()(const ColumnSlice& slice, Pack<kPack>* sums) const {
    const bool kept = call.normalized != nullptr;
    with_elements(
        call.output_dtype, kept ? call.output_dtype : call.input_dtype, [&](auto out, auto in) {
          using In = typename decltype(in)::Type;
          const auto* gradient =
              static_cast<const typename decltype(out)::Type*>(call.output_gradient);
          const auto* elements = static_cast<const In*>(kept ? call.normalized : call.input);
          slice.for_rows<2>(
              [&](int64_t row) {
                const int64_t at = row * call.width + slice.column;
                return ParameterRow<typename decltype(out)::Type, In>{
                    load_raw(gradient + at, slice.part), load_raw(elements + at, slice.part),
                    RowScale(call, row)};
              },
              [&](const auto& row) {
                const auto g = widen(row.gradient);
                const float mean = row.scale.mean;
                const float inverse = row.scale.inverse;
                sums[0] = map([=](float sum, float y,
                                  float x) { return sum + y * normalize(x, mean, inverse); },
                              sums[0], g, widen(row.elements));
                sums[1] = map(Plus(), sums[1], g);
              });
        });
  }
};

template <bool kHeld>
NAMP_DEVICE void input_gradient_of_row(const namp_layer_norm_args& args, int64_t row, int lane) {
  const auto size = static_cast<float>(args.width);
  const bool kept = args.normalized != nullptr;
  const int64_t first = row * args.width;
  const RowScale scale(args, row);
  const WarpRow<kHeld> g(args.output_gradient, args.output_dtype, first, args.width, lane,
                         args.gamma);
  const WarpRow<kHeld> elements(kept ? args.normalized : args.input,
                                kept ? args.output_dtype : args.input_dtype, first, args.width,
                                lane);
  const auto normal = [&](int slot, int64_t i, Prefix part) {
    return map([&](float y) { return normalize(y, scale.mean, scale.inverse); },
               elements.pack(slot, i, part));
  };
  float sums[2];
  sum_row<kHeld>(args.width, lane, sums, [&](int slot, int64_t i, Prefix part, Pack<kPack>* terms) {
    terms[0] = g.pack(slot, i, part);
    terms[1] = map([](float y, float x) { return y * x; }, terms[0], normal(slot, i, part));
  });
  const float mean_g = sums[0] / size;
  const float mean_g_normal = sums[1] / size;
  const float inverse = load(args.inverse_deviation + row);
  write_input_gradient<kHeld>(args, first, lane, [&](int slot, int64_t i, Prefix part) {
    return map(
        [=](float y, float x) { return normalize_gradient(y, x, inverse, mean_g, mean_g_normal); },
        g.pack(slot, i, part), normal(slot, i, part));
  });
}

}  // namespace

// A block reads its rows for the gradients of gamma and beta, and then, out of a cache, for the input's,
// which may overwrite them.
NAMP_KERNEL(kColumnThreads, 1)
layer_norm_backward_kernel(NAMP_GRID_CONSTANT const ColumnSumArgs<namp_layer_norm_args> args) {
  const namp_layer_norm_args& call = args.call;
  sum_columns_of_rows<2>(
      args, call.gamma_gradient != nullptr || call.beta_gradient != nullptr, AddParameters{call},
      [&](int k, int64_t column, double sum) {
        float* gradient = k == 0 ? call.gamma_gradient : call.beta_gradient;
        if (gradient != nullptr) store(static_cast<float>(sum), gradient + column);
      },
      [&](const RowRange& rows) NAMP_LONG_LAMBDA {
        for_held_rows<kColumnThreads>(
            rows, call.width, [&](auto held, int64_t row, int lane) NAMP_LONG_LAMBDA {
              input_gradient_of_row<decltype(held)::value>(call, row, lane);
            });
      });
}

}  // namespace namp::cuda
