// Element-wise activations.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/view.cuh"
#include "cuda/with_activation.cuh"

namespace namp::cuda {

NAMP_KERNEL(kElementThreads) activation_forward_kernel(const namp_activation_args args) {
  with_activation(args.activation, [&](auto activation) {
    using Activation = decltype(activation);
    const auto forward = [](float x) { return Activation::forward(x); };
    for_tasks(args.count, [&](int64_t begin, int64_t count) {
      const int peel = choose_peel(access(args.input, args.dtype, begin),
                                   access(args.output, args.dtype, begin));
      for_packs(count, peel, [&](int64_t i, auto part) {
        const auto x = load_as(args.input, args.dtype, begin + i, part);
        store_as(map(forward, x), args.output, args.dtype, begin + i, part);
      });
    });
  });
}

NAMP_KERNEL(kElementThreads) activation_backward_kernel(const namp_activation_args args) {
  with_activation(args.activation, [&](auto activation) {
    using Activation = decltype(activation);
    const auto backward = [](float g, float saved) { return Activation::backward(g, saved); };
    const void* saved = Activation::kSavesOutput ? args.output : args.input;
    // The identity reads neither.
    if (args.activation == NAMP_ACTIVATION_NONE) saved = args.output_gradient;
    for_tasks(args.count, [&](int64_t begin, int64_t count) {
      const int peel = choose_peel(access(args.output_gradient, args.dtype, begin),
                                   access(saved, args.dtype, begin),
                                   access(args.input_gradient, args.dtype, begin));
      for_packs(count, peel, [&](int64_t i, auto part) {
        const auto g = load_as(args.output_gradient, args.dtype, begin + i, part);
        const auto s = load_as(saved, args.dtype, begin + i, part);
        store_as(map(backward, g, s), args.input_gradient, args.dtype, begin + i, part);
      });
    });
  });
}

}  // namespace namp::cuda
