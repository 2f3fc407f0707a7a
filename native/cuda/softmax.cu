// Softmax and argmax, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "formulas/math.h"

namespace namp::cuda {
namespace {

// An element and its index. A NaN counts as the largest; among equals the first wins.
struct Best {
  float x;
  int32_t at;  // -1: none yet
};
struct Better {
  NAMP_DEVICE Best operator()(Best a, Best b) const {
    const bool a_nan = !(a.x == a.x);
    const bool b_nan = !(b.x == b.x);
    const bool b_wins = a_nan != b_nan ? b_nan : (!a_nan && b.x > a.x);
    const bool a_wins = a_nan != b_nan ? a_nan : (!a_nan && a.x > b.x);
    const bool takes_b = b.at >= 0 && (a.at < 0 || b_wins || (!a_wins && b.at < a.at));
    // Field by field: selecting between two structs would select between two addresses.
    return {takes_b ? b.x : a.x, takes_b ? b.at : a.at};
  }
};

}  // namespace

NAMP_KERNEL(kRowThreads) softmax_forward_kernel(const namp_softmax_args args) {
  for_warp_rows(args.rows, [&](int64_t row, int lane) {
    const int64_t first = row * args.width;
    const auto x = [&](int64_t i) { return load_as(args.input, args.input_dtype, first + i); };
    const float maximum = over_row(args.width, lane, from_bits(0xff800000u), Maximum(), x);
    const float sum =
        over_row(args.width, lane, 0.0f, Plus(), [&](int64_t i) { return exp(x(i) - maximum); });
    const float share = 1.0f / sum;
    for (int64_t i = lane; i < args.width; i += kWarp)
      store_as(exp(x(i) - maximum) * share, args.output, args.output_dtype, first + i);
  });
}

NAMP_KERNEL(kRowThreads) softmax_backward_kernel(const namp_softmax_args args) {
  for_warp_rows(args.rows, [&](int64_t row, int lane) {
    const int64_t first = row * args.width;
    const auto y = [&](int64_t i) { return load_as(args.output, args.output_dtype, first + i); };
    const auto g = [&](int64_t i) {
      return load_as(args.output_gradient, args.output_dtype, first + i);
    };
    const float dot =
        over_row(args.width, lane, 0.0f, Plus(), [&](int64_t i) { return y(i) * g(i); });
    for (int64_t i = lane; i < args.width; i += kWarp)
      store_as(y(i) * (g(i) - dot), args.input_gradient, args.input_dtype, first + i);
  });
}

NAMP_KERNEL(kRowThreads) argmax_kernel(const ArgmaxArgs args) {
  for_warp_rows(args.rows, [&](int64_t row, int lane) {
    Best best{0.0f, -1};
    for (int64_t i = lane; i < args.width; i += kWarp) {
      best = Better()(
          best, {load_as(args.in, args.dtype, row * args.width + i), static_cast<int32_t>(i)});
    }
    best = warp_reduce(best, Better());
    if (lane == 0) store_global(args.out + row, best.at);
  });
}

}  // namespace namp::cuda
