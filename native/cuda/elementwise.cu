// Element-wise addition and dropout.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/random.cuh"
#include "cuda/view.cuh"
#include "formulas/dropout.h"

namespace namp::cuda {

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

}  // namespace namp::cuda
