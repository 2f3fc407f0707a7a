// Element by element: activations, addition, dropout, and permutation of dimensions.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/random.cuh"
#include "cuda/view.cuh"
#include "cuda/with_activation.cuh"
#include "formulas/dropout.h"

namespace namp::cuda {
namespace {

template <class T>
NAMP_DEVICE void permute_elements(const PermuteArgs& args) {
  const T* in = static_cast<const T*>(args.in);
  T* out = static_cast<T*>(args.out);
  for_elements(args.count, [&](int64_t i) {
    int64_t rest = i;
    int64_t from = 0;
#pragma unroll
    for (int d = NAMP_PERMUTE_MAX_RANK - 1; d >= 0; --d) {
      if (d >= args.rank) continue;
      const int64_t size = args.out_shape[d];
      from += rest % size * args.in_strides[d];
      rest /= size;
    }
    store_global(out + i, load_global(in + from));
  });
}

}  // namespace

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
    // The identity looks at neither.
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

NAMP_KERNEL(kElementThreads) add_kernel(const namp_add_args args) {
  const bool adds = args.b != nullptr;
  const bool repeats = adds && args.b_period < args.count;
  for_tasks(args.count, [&](int64_t begin, int64_t count) {
    const int peel =
        choose_peel(access(args.out, args.out_dtype, begin), access(args.a, args.a_dtype, begin),
                    access(repeats ? nullptr : args.b, args.b_dtype, begin));
    for_packs(count, peel, [&](int64_t i, auto part) {
      const auto a = load_as(args.a, args.a_dtype, begin + i, part);
      auto sum = map([&](float x) { return args.alpha * x; }, a);
      if (repeats) {
        int64_t at = (begin + i) % args.b_period;
#pragma unroll
        for (int j = 0; j < part.count; ++j) {
          sum.at[j] = sum.at[j] + args.beta * load_as(args.b, args.b_dtype, at);
          at = at + 1 == args.b_period ? 0 : at + 1;
        }
      } else if (adds) {
        const auto b = load_as(args.b, args.b_dtype, begin + i, part);
        sum = map([&](float x, float y) { return x + args.beta * y; }, sum, b);
      }
      store_as(sum, args.out, args.out_dtype, begin + i, part);
    });
  });
}

NAMP_KERNEL(kElementThreads) dropout_kernel(const DropoutArgs args) {
  const Dropout dropout(args.probability);
  for_tasks(args.count, [&](int64_t begin, int64_t count) {
    const int peel =
        choose_peel(access(args.input, args.dtype, begin), access(args.output, args.dtype, begin));
    for_packs(count, peel, [&](int64_t i, auto part) {
      const uint64_t first = args.offset + static_cast<uint64_t>(begin + i);
      const auto words = random_words(first, 0, args.seed, part);
      auto x = load_as(args.input, args.dtype, begin + i, part);
#pragma unroll
      for (int j = 0; j < part.count; ++j)
        x.at[j] = drop(x.at[j], words.at[j], dropout);
      store_as(x, args.output, args.dtype, begin + i, part);
    });
  });
}

NAMP_KERNEL(kElementThreads) permute_kernel(const PermuteArgs args) {
  switch (args.element_bytes) {
    case 1:
      return permute_elements<uint8_t>(args);
    case 2:
      return permute_elements<uint16_t>(args);
    default:
      return permute_elements<uint32_t>(args);
  }
}

}  // namespace namp::cuda
