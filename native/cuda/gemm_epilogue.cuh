// What follows the sums of a product: bias, pre-activation and activation.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/gemm_kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "cuda/with_activation.cuh"

namespace namp::cuda {

// Where an element or a pack of C is: its row and column in its product, its offset, and its offset
// if C were dense.
struct Place {
  int64_t row;
  int64_t column;
  int64_t at;
  int64_t dense;
};

// The bias of a part of C.
template <class Part>
NAMP_DEVICE Pack<Part::count> load_bias(const GemmArgs& gemm, const Place& place, Part part) {
  const namp_gemm_args& args = gemm.call;
  if (gemm.bias_by_row == 0) return load_as(args.bias, args.bias_dtype, place.column, part);
  Pack<Part::count> bias;
  const float x = load_as(args.bias, args.bias_dtype, place.row);
#pragma unroll
  for (float& y : bias.at)
    y = x;
  return bias;
}

// What is to be rounded to C, of a part of it without the bias.
template <class Types, class Part>
NAMP_DEVICE Pack<Part::count> scale_sums(const namp_gemm_args& args, Types types,
                                         Pack<Part::count> x, const Place& place, Part part) {
  x = map([&](float y) { return args.alpha * y; }, x);
  if (args.beta == 0.0f) return x;
  const auto before = types.fetch(args.c, args.c_dtype, place.at, part);
  return map([&](float y, float c) { return y + args.beta * c; }, x, types.wide(before));
}

// A part of C, as the gradient of the activation's output, becomes that of its input.
template <class Types, class Part>
NAMP_DEVICE Pack<Part::count> multiply_by_slope(const namp_gemm_args& args, Types types,
                                                Pack<Part::count> x, const Place& place,
                                                Part part) {
  const auto kept = types.fetch(args.activation_kept, args.c_dtype, place.at, part);
  with_fused_activation(args.activation, [&](auto activation) {
    x = map([](float g, float y) { return decltype(activation)::backward(g, y); }, x,
            types.wide(kept));
  });
  return x;
}

// Pre-activation and activation of a part of C. types: of C; activate: of a pack.
template <class Types, class Activate, class Part>
NAMP_DEVICE void finish(const namp_gemm_args& args, Types types, Activate&& activate,
                        Pack<Part::count> x, const Place& place, Part part) {
  if (args.pre_activation != nullptr) {
    // Rounded: backward reads the activation's input.
    x = types.put(x, args.pre_activation, args.c_dtype, place.at, part);
  }
  types.put(activate(x), args.c, args.c_dtype, place.at, part);
}
// The same with the activation that the call names, which is chosen here: a kernel has one copy of it
// for each activation, and not as many of all.
template <class Types, class Part>
NAMP_DEVICE void finish(const namp_gemm_args& args, Types types, const Pack<Part::count>& x,
                        const Place& place, Part part) {
  const auto activate = [&](Pack<Part::count> y) {
    with_fused_activation(args.activation, [&](auto activation) {
      y = map([](float z) { return decltype(activation)::forward(z); }, y);
    });
    return y;
  };
  finish(args, types, activate, x, place, part);
}

}  // namespace namp::cuda
