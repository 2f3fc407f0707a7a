// Element-wise activations.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/view.cuh"
#include "cuda/with_activation.cuh"
#include "activation_facts.h"

namespace namp::cuda {

NAMP_KERNEL(kElementThreads) activation_forward_kernel(const namp_activation_args args) {
  with_element(args.dtype, [&](auto element) {
    using T = typename decltype(element)::Type;
    with_activation(args.activation, [&](auto activation) {
      using Activation = decltype(activation);
      const auto forward = [](float x) { return Activation::forward(x); };
      for_tasks(args.count, [&](int64_t begin, int64_t count) {
        const T* input = static_cast<const T*>(args.input) + begin;
        T* output = static_cast<T*>(args.output) + begin;
        for_packs(count, choose_peel(access(input), access(output)), [&](int64_t i, auto part) {
          store(map(forward, load(input + i, part)), output + i, part);
        });
      });
    });
  });
}

NAMP_KERNEL(kElementThreads) activation_backward_kernel(const namp_activation_args args) {
  with_element(args.dtype, [&](auto element) {
    using T = typename decltype(element)::Type;
    with_activation(args.activation, [&](auto activation) {
      using Activation = decltype(activation);
      const auto backward = [](float g, float x) { return Activation::backward(g, x); };
      for_tasks(args.count, [&](int64_t begin, int64_t count) {
        const T* gradient = static_cast<const T*>(args.output_gradient) + begin;
        const T* saved = static_cast<const T*>(saved_elements(args)) + begin;
        T* output = static_cast<T*>(args.input_gradient) + begin;
        const int peel = choose_peel(access(gradient), access(saved), access(output));
        for_packs(count, peel, [&](int64_t i, auto part) {
          // Both loads are in flight before the first conversion.
          const auto g = load_raw(gradient + i, part);
          const auto s = load_raw(saved + i, part);
          store(map(backward, widen(g), widen(s)), output + i, part);
        });
      });
    });
  });
}

}  // namespace namp::cuda
