// Element-wise addition and multiplication, and dropout.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/random.cuh"
#include "cuda/view.cuh"
#include "formulas/dropout.h"

namespace namp::cuda {

namespace {

template <class Types>
NAMP_DEVICE void add_tensors(const namp_add_args& args, Types types) {
  const float alpha = args.alpha;
  const float beta = args.beta;
  const bool adds = args.b != nullptr;
  const bool repeats = adds && args.b_period < args.count;
  for_tasks(args.count, [&](int64_t begin, int64_t count) {
    const int peel =
        choose_peel(access(args.out, args.out_dtype, begin), access(args.a, args.a_dtype, begin),
                    access(repeats ? nullptr : args.b, args.b_dtype, begin));
    for_packs(count, peel, [&](int64_t i, auto part) {
      const auto times = [=](float x) { return alpha * x; };
      const auto a = types.fetch(args.a, args.a_dtype, begin + i, part);
      if (adds && !repeats) {
        // Both loads are in flight before the first conversion.
        const auto b = types.fetch(args.b, args.b_dtype, begin + i, part);
        const auto sum = map([=](float x, float y) { return alpha * x + beta * y; }, types.wide(a),
                             types.wide(b));
        types.put(sum, args.out, args.out_dtype, begin + i, part);
        return;
      }
      auto sum = map(times, types.wide(a));
      if (repeats) {
        int64_t at = (begin + i) % args.b_period;
#pragma unroll
        for (int j = 0; j < part.count; ++j) {
          const auto b = types.fetch(args.b, args.b_dtype, at, Single{});
          sum.at[j] = sum.at[j] + beta * types.wide(b).at[0];
          at = at + 1 == args.b_period ? 0 : at + 1;
        }
      }
      types.put(sum, args.out, args.out_dtype, begin + i, part);
    });
  });
}

template <bool kRepeats, class T>
NAMP_DEVICE void multiply_tensors(const namp_multiply_args& args) {
  const T* b = static_cast<const T*>(args.b);
  for_tasks(args.count, [&](int64_t begin, int64_t count) {
    const T* a = static_cast<const T*>(args.a) + begin;
    T* out = static_cast<T*>(args.out) + begin;
    const int peel = choose_peel(access(a), access(out), access(kRepeats ? nullptr : b + begin));
    for_packs(count, peel, [&](int64_t i, auto part) {
      // All loads are in flight before the first conversion.
      const auto x = load_raw(a + i, part);
      const auto y = [&] {
        if constexpr (!kRepeats) return load_raw(b + begin + i, part);
        RawPack<T, part.count> raw;
        int64_t at = (begin + i) % args.b_period;
#pragma unroll
        for (int j = 0; j < part.count; ++j) {
          raw.at[j] = load_global(b + at);
          at = at + 1 == args.b_period ? 0 : at + 1;
        }
        return raw;
      }();
      store(map([](float s, float t) { return s * t; }, widen(x), widen(y)), out + i, part);
    });
  });
}

}  // namespace

NAMP_KERNEL(kElementThreads) add_kernel(const namp_add_args args) {
  const bool one =
      args.out_dtype == args.a_dtype && (args.b == nullptr || args.b_dtype == args.a_dtype);
  if (!one) return add_tensors(args, AnyType());
  with_element(args.a_dtype, [&](auto element) {
    add_tensors(args, OneType<typename decltype(element)::Type>());
  });
}

NAMP_KERNEL(kElementThreads) multiply_kernel(const namp_multiply_args args) {
  with_element(args.dtype, [&](auto element) {
    using T = typename decltype(element)::Type;
    if (args.b_period < args.count) {
      multiply_tensors<true, T>(args);
    } else {
      multiply_tensors<false, T>(args);
    }
  });
}

NAMP_KERNEL(kElementThreads) dropout_kernel(const DropoutArgs args) {
  const Dropout dropout(args.probability);
  const uint64_t offset = args.offset + (args.offset_base == nullptr ? 0 : *args.offset_base);
  with_element(args.dtype, [&](auto element) {
    using T = typename decltype(element)::Type;
    for_tasks(args.count, [&](int64_t begin, int64_t count) {
      const T* input = static_cast<const T*>(args.input) + begin;
      T* output = static_cast<T*>(args.output) + begin;
      for_packs(count, choose_peel(access(input), access(output)), [&](int64_t i, auto part) {
        const uint64_t first = offset + static_cast<uint64_t>(begin + i);
        const auto raw = load_raw(input + i, part);
        const auto words = random_words(first, 0, args.seed, part);
        auto x = widen(raw);
#pragma unroll
        for (int j = 0; j < part.count; ++j)
          x.at[j] = drop(x.at[j], words.at[j], dropout);
        store(x, output + i, part);
      });
    });
  });
}

}  // namespace namp::cuda
