// Layer norm, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/norm_backward.cuh"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "cuda/warp_row.cuh"
#include "formulas/norm.h"

namespace namp::cuda {
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

NAMP_KERNEL(kColumnThreads, 2)
layer_norm_backward_kernel(NAMP_GRID_CONSTANT const ColumnSumArgs<namp_layer_norm_args> args) {
  norm_backward<LayerNorm>(args);
}

}  // namespace namp::cuda
