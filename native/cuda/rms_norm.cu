// RMS norm, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/norm_backward.cuh"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "cuda/warp_row.cuh"
#include "formulas/norm.h"

namespace namp::cuda {
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

NAMP_KERNEL(kColumnThreads, 2)
rms_norm_backward_kernel(NAMP_GRID_CONSTANT const ColumnSumArgs<namp_rms_norm_args> args) {
  norm_backward<RmsNorm>(args);
}

}  // namespace namp::cuda
