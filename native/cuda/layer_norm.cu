// Layer norm, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/column_sums.cuh"
#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "formulas/norm.h"

namespace namp::cuda {
namespace {

// The normalized elements of a row for backward: kept, or computed from the input.
class NormalizedRow {
 public:
  NAMP_DEVICE NormalizedRow(const namp_layer_norm_args& args, int64_t row)
      : args_(args),
        first_(row * args.width),
        mean_(args.normalized != nullptr ? 0.0f : load(args.mean + row)),
        inverse_(load(args.inverse_deviation + row)) {}

  NAMP_DEVICE float at(int64_t column) const {
    const int64_t i = first_ + column;
    return args_.normalized != nullptr
               ? load_as(args_.normalized, args_.output_dtype, i)
               : normalize(load_as(args_.input, args_.input_dtype, i), mean_, inverse_);
  }
  NAMP_DEVICE float inverse_deviation() const { return inverse_; }

 private:
  const namp_layer_norm_args& args_;
  int64_t first_;
  float mean_;
  float inverse_;
};

}  // namespace

// Two passes over the row: the second corrects the mean of the first.
NAMP_KERNEL(kRowThreads) layer_norm_forward_kernel(const namp_layer_norm_args args) {
  const auto size = static_cast<float>(args.width);
  for_warp_rows(args.rows, [&](int64_t row, int lane) {
    const int64_t first = row * args.width;
    const auto x = [&](int64_t i) { return load_as(args.input, args.input_dtype, first + i); };
    const float center = over_row(args.width, lane, 0.0f, Plus(), x) / size;
    const float rest =
        over_row(args.width, lane, 0.0f, Plus(), [&](int64_t i) { return x(i) - center; }) / size;
    const float squares = over_row(args.width, lane, 0.0f, Plus(),
                                   [&](int64_t i) {
                                     const float deviation = x(i) - center;
                                     return deviation * deviation;
                                   }) /
                          size;
    const auto [mean, inverse] = row_statistics(center, rest, squares, args.epsilon);
    for (int64_t i = lane; i < args.width; i += kWarp) {
      const float normal = normalize(x(i), mean, inverse);
      if (args.normalized != nullptr) {
        store_as(normal, args.normalized, args.output_dtype, first + i);
      }
      const float y = normal * load_or(args.gamma, i, 1.0f) + load_or(args.beta, i, 0.0f);
      store_as(y, args.output, args.output_dtype, first + i);
    }
    if (lane == 0) {
      if (args.mean != nullptr) store(mean, args.mean + row);
      store(inverse, args.inverse_deviation + row);
    }
  });
}

NAMP_KERNEL(kRowThreads) layer_norm_backward_kernel(const namp_layer_norm_args args) {
  const auto size = static_cast<float>(args.width);
  for_warp_rows(args.rows, [&](int64_t row, int lane) {
    const int64_t first = row * args.width;
    const NormalizedRow normal(args, row);
    const auto g = [&](int64_t i) {
      return load_as(args.output_gradient, args.output_dtype, first + i) *
             load_or(args.gamma, i, 1.0f);
    };
    const float mean_g = over_row(args.width, lane, 0.0f, Plus(), g) / size;
    const float mean_g_normal =
        over_row(args.width, lane, 0.0f, Plus(), [&](int64_t i) { return g(i) * normal.at(i); }) /
        size;
    for (int64_t i = lane; i < args.width; i += kWarp) {
      const float gradient =
          normalize_gradient(g(i), normal.at(i), normal.inverse_deviation(), mean_g, mean_g_normal);
      store_as(gradient, args.input_gradient, args.input_dtype, first + i);
    }
  });
}

// The gradients of gamma and beta. It runs before backward overwrites its inputs.
NAMP_KERNEL(kColumnThreads) layer_norm_parameters_kernel(const namp_layer_norm_args args) {
  sum_columns<2>(
      args.rows, args.width,
      [&](int64_t row, int64_t column, LongSum* sums) {
        const float upstream =
            load_as(args.output_gradient, args.output_dtype, row * args.width + column);
        sums[0].add(upstream * NormalizedRow(args, row).at(column));
        sums[1].add(upstream);
      },
      [&](int64_t column, const double* sums) {
        const auto write = [&](double sum, float* gradient) {
          if (gradient != nullptr) store(static_cast<float>(sum), gradient + column);
        };
        write(sums[0], args.gamma_gradient);
        write(sums[1], args.beta_gradient);
      });
}

}  // namespace namp::cuda
