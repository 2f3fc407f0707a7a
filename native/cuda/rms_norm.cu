// RMS norm, one warp for each row.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/norm_backward.cuh"
#include "cuda/norm_row.cuh"
#include "formulas/norm.h"

namespace namp::cuda {
namespace {

struct RmsNormForward {
  const namp_rms_norm_args& args;

  template <bool kHeld, class Types, class Row>
  NAMP_DEVICE void row(int64_t row, int lane, const Row& x) const {
    using Part = typename Types::Part;
    const int64_t first = row * args.width;
    float squares[1];
    sum_row<kHeld, Part>(args.width, lane, squares,
                         [&](int slot, int64_t i, Part part, Pack<kPack>* terms) {
                           terms[0] = map([](float y) { return y * y; }, x.pack(slot, i, part));
                         });
    const float inverse = 1.0f / sqrt(squares[0] / static_cast<float>(args.width) + args.epsilon);
    for_row_packs<kHeld, Part>(args.width, lane, [&](int slot, int64_t i, Part part) {
      const auto y = map([=](float z, float gamma) { return z * inverse * gamma; },
                         x.pack(slot, i, part), load_or(args.gamma, i, part, 1.0f));
      Types::output().put(y, args.output, args.output_dtype, first + i, part);
    });
    if (lane == 0) store(inverse, args.inverse_rms + row);
  }
};

}  // namespace

NAMP_KERNEL(kRowThreads, 3) rms_norm_forward_kernel(const namp_rms_norm_args args) {
  norm_forward(RmsNormForward{args}, are_aligned(args.input, args.output, args.gamma));
}

NAMP_KERNEL(kColumnThreads, 2)
rms_norm_backward_kernel(NAMP_GRID_CONSTANT const ColumnSumArgs<namp_rms_norm_args> args) {
  norm_backward<RmsNorm>(args);
}

}  // namespace namp::cuda
