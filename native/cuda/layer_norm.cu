// Layer norm, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/norm_backward.cuh"
#include "cuda/norm_row.cuh"
#include "formulas/norm.h"

namespace namp::cuda {
namespace {

struct LayerNormForward {
  const namp_layer_norm_args& args;

  // The second pass over a row corrects the mean of the first.
  template <bool kHeld, class Types, class Row>
  NAMP_DEVICE void row(int64_t row, int lane, const Row& x) const {
    using Part = typename Types::Part;
    const auto size = static_cast<float>(args.width);
    const int64_t first = row * args.width;
    float sum[1];
    sum_row<kHeld, Part>(args.width, lane, sum,
                         [&](int slot, int64_t i, Part part, Pack<kPack>* terms) {
                           terms[0] = x.pack(slot, i, part);
                         });
    const float center = sum[0] / size;
    float around[2];
    sum_row<kHeld, Part>(
        args.width, lane, around, [&](int slot, int64_t i, Part part, Pack<kPack>* terms) {
          terms[0] = map([=](float y) { return y - center; }, x.pack(slot, i, part));
          terms[1] = map([](float y) { return y * y; }, terms[0]);
        });
    const auto statistics =
        row_statistics(center, around[0] / size, around[1] / size, args.epsilon);
    const float mean = statistics.mean;
    const float inverse = statistics.inverse_deviation;
    const auto put = [&](const Pack<kPack>& y, void* data, int64_t i, Part part) {
      Types::output().put(y, data, args.output_dtype, first + i, part);
    };
    for_row_packs<kHeld, Part>(args.width, lane, [&](int slot, int64_t i, Part part) {
      const auto normal =
          map([=](float y) { return normalize(y, mean, inverse); }, x.pack(slot, i, part));
      if (args.normalized != nullptr) put(normal, args.normalized, i, part);
      put(map([](float y, float gamma, float beta) { return y * gamma + beta; }, normal,
              load_or(args.gamma, i, part, 1.0f), load_or(args.beta, i, part, 0.0f)),
          args.output, i, part);
    });
    if (lane == 0) {
      if (args.mean != nullptr) store(mean, args.mean + row);
      store(inverse, args.inverse_deviation + row);
    }
  }
};

}  // namespace

NAMP_KERNEL(kRowThreads, 3) layer_norm_forward_kernel(const namp_layer_norm_args args) {
  norm_forward(LayerNormForward{args},
               are_aligned(args.input, args.output, args.normalized, args.gamma, args.beta));
}

NAMP_KERNEL(kColumnThreads, 2)
layer_norm_backward_kernel(NAMP_GRID_CONSTANT const ColumnSumArgs<namp_layer_norm_args> args) {
  norm_backward<LayerNorm>(args);
}

}  // namespace namp::cuda
