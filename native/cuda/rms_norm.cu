// RMS norm, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/column_sums.cuh"
#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "formulas/norm.h"

namespace namp::cuda {
namespace {

NAMP_DEVICE float input_at(const namp_rms_norm_args& args, int64_t i) {
  return load_as(args.input, args.input_dtype, i);
}
NAMP_DEVICE float upstream_at(const namp_rms_norm_args& args, int64_t i) {
  return load_as(args.output_gradient, args.output_dtype, i);
}

}  // namespace

NAMP_KERNEL(kRowThreads) rms_norm_forward_kernel(const namp_rms_norm_args args) {
  for_warp_rows(args.rows, [&](int64_t row, int lane) {
    const int64_t first = row * args.width;
    const float squares = over_row(args.width, lane, 0.0f, Plus(), [&](int64_t i) {
      const float x = input_at(args, first + i);
      return x * x;
    });
    const float inverse = 1.0f / sqrt(squares / static_cast<float>(args.width) + args.epsilon);
    for (int64_t i = lane; i < args.width; i += kWarp) {
      const float y = input_at(args, first + i) * inverse * load_or(args.gamma, i, 1.0f);
      store_as(y, args.output, args.output_dtype, first + i);
    }
    if (lane == 0) store(inverse, args.inverse_rms + row);
  });
}

NAMP_KERNEL(kRowThreads, 4) rms_norm_backward_kernel(const namp_rms_norm_args args) {
  for_warp_rows(args.rows, [&](int64_t row, int lane) {
    const int64_t first = row * args.width;
    const float inverse = load(args.inverse_rms + row);
    const auto g = [&](int64_t i) {
      return upstream_at(args, first + i) * load_or(args.gamma, i, 1.0f);
    };
    const auto normal = [&](int64_t i) { return input_at(args, first + i) * inverse; };
    const float mean_g_normal =
        over_row(args.width, lane, 0.0f, Plus(), [&](int64_t i) { return g(i) * normal(i); }) /
        static_cast<float>(args.width);
    for (int64_t i = lane; i < args.width; i += kWarp) {
      const float gradient = normalize_gradient(g(i), normal(i), inverse, 0.0f, mean_g_normal);
      store_as(gradient, args.input_gradient, args.input_dtype, first + i);
    }
  });
}

// The gradient of gamma. It runs before backward overwrites its inputs.
NAMP_KERNEL(kColumnThreads, 1) rms_norm_gamma_kernel(const namp_rms_norm_args args) {
  sum_columns<1>(
      args.rows, args.width,
      [&](int64_t row, int64_t column, LongSum* sums) {
        const int64_t i = row * args.width + column;
        sums[0].add(upstream_at(args, i) * (input_at(args, i) * load(args.inverse_rms + row)));
      },
      [&](int64_t column, const double* sums) {
        store(static_cast<float>(sums[0]), args.gamma_gradient + column);
      });
}

}  // namespace namp::cuda
