// RMS norm, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/column_sums.cuh"
#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "cuda/warp_row.cuh"
#include "formulas/norm.h"

namespace namp::cuda {
namespace {

// The part of a row that the gradient of gamma reads.
template <class Out, class In>
struct Rows {
  RawPack<Out, kPack> gradient;
  RawPack<In, kPack> input;
  float inverse;
};

}  // namespace

NAMP_KERNEL(kRowThreads, 2) rms_norm_forward_kernel(const namp_rms_norm_args args) {
  for_held_rows(args.rows, args.width, [&](auto held, int64_t row, int lane) {
    constexpr bool kHeld = decltype(held)::value;
    const int64_t first = row * args.width;
    const WarpRow<kHeld> x(args.input, args.input_dtype, first, args.width, lane);
    float squares[1];
    sum_row<kHeld>(args.width, lane, squares,
                   [&](int slot, int64_t i, Prefix part, Pack<kPack>* terms) {
                     terms[0] = map([](float y) { return y * y; }, x.pack(slot, i, part));
                   });
    const float inverse = 1.0f / sqrt(squares[0] / static_cast<float>(args.width) + args.epsilon);
    with_element(args.output_dtype, [&](auto element) {
      auto* output = static_cast<typename decltype(element)::Type*>(args.output) + first;
      for_row_packs<kHeld>(args.width, lane, [&](int slot, int64_t i, Prefix part) {
        store(map([=](float y, float gamma) { return y * inverse * gamma; }, x.pack(slot, i, part),
                  load_or(args.gamma, i, part, 1.0f)),
              output + i, part);
      });
    });
    if (lane == 0) store(inverse, args.inverse_rms + row);
  });
}

namespace {

// Adds a slice's contributions to the gradient of gamma.
struct AddGamma {
  const namp_rms_norm_args& call;

  NAMP_DEVICE void operator()(const ColumnSlice& slice, Pack<kPack>* sums) const {
    with_elements(call.output_dtype, call.input_dtype, [&](auto out, auto in) {
      const auto* gradient = static_cast<const typename decltype(out)::Type*>(call.output_gradient);
      const auto* input = static_cast<const typename decltype(in)::Type*>(call.input);
      slice.for_rows<2>(
          [&](int64_t row) {
            const int64_t at = row * call.width + slice.column;
            return Rows<typename decltype(out)::Type, typename decltype(in)::Type>{
                load_raw(gradient + at, slice.part), load_raw(input + at, slice.part),
                load(call.inverse_rms + row)};
          },
          [&](const auto& rows) {
            const float inverse = rows.inverse;
            sums[0] = map([=](float sum, float g, float x) { return sum + g * (x * inverse); },
                          sums[0], widen(rows.gradient), widen(rows.input));
          });
    });
  }
};

template <bool kHeld>
NAMP_DEVICE void input_gradient_of_row(const namp_rms_norm_args& args, int64_t row, int lane) {
  const int64_t first = row * args.width;
  const float inverse = load(args.inverse_rms + row);
  const WarpRow<kHeld> g(args.output_gradient, args.output_dtype, first, args.width, lane,
                         args.gamma);
  const WarpRow<kHeld> input(args.input, args.input_dtype, first, args.width, lane);
  const auto normal = [&](int slot, int64_t i, Prefix part) {
    return map([=](float y) { return y * inverse; }, input.pack(slot, i, part));
  };
  float sum[1];
  sum_row<kHeld>(args.width, lane, sum, [&](int slot, int64_t i, Prefix part, Pack<kPack>* terms) {
    terms[0] =
        map([](float y, float x) { return y * x; }, g.pack(slot, i, part), normal(slot, i, part));
  });
  const float mean_g_normal = sum[0] / static_cast<float>(args.width);
  write_input_gradient<kHeld>(args, first, lane, [&](int slot, int64_t i, Prefix part) {
    return map(
        [=](float y, float x) { return normalize_gradient(y, x, inverse, 0.0f, mean_g_normal); },
        g.pack(slot, i, part), normal(slot, i, part));
  });
}

}  // namespace

// A block reads its rows for the gradient of gamma, and then, out of a cache, for the input's, which may
// overwrite them.
NAMP_KERNEL(kColumnThreads, 1)
rms_norm_backward_kernel(NAMP_GRID_CONSTANT const ColumnSumArgs<namp_rms_norm_args> args) {
  const namp_rms_norm_args& call = args.call;
  sum_columns_of_rows<1>(
      args, call.gamma_gradient != nullptr, AddGamma{call},
      [&](int, int64_t column, double sum) {
        store(static_cast<float>(sum), call.gamma_gradient + column);
      },
      [&](const RowRange& rows) NAMP_LONG_LAMBDA {
        for_held_rows<kColumnThreads>(
            rows, call.width, [&](auto held, int64_t row, int lane) NAMP_LONG_LAMBDA {
              input_gradient_of_row<decltype(held)::value>(call, row, lane);
            });
      });
}

}  // namespace namp::cuda
