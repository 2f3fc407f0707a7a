// Functions of one or two tensors, element by element, with any strides.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/view.cuh"
#include "formulas/functions.h"

namespace namp::cuda {
namespace {

template <class Formula, bool kReadsB, int kCount>
NAMP_DEVICE Pack<kCount> apply(const Formula& formula, const Pack<kCount>& a,
                               const Pack<kCount>& b) {
  if constexpr (kReadsB) {
    return map([&](float x, float y) { return formula(x, y); }, a, b);
  } else {
    return map([&](float x) { return formula(x); }, a);
  }
}

// The function is the same for all threads.
template <int kCount>
NAMP_DEVICE Pack<kCount> apply(const MapArgs& args, const Pack<kCount>& a, const Pack<kCount>& b) {
  switch (args.function) {
#define NAMP_CASE(VALUE, Formula, reads) \
  case VALUE:                            \
    return apply<Formula, reads>(Formula{args.p, args.q}, a, b);
    NAMP_FOR_EACH_FUNCTION(NAMP_CASE)
#undef NAMP_CASE
  }
  trap();
}

// A pack along the last dimension, whose elements lie step apart.
NAMP_DEVICE Pack<kPack> load_steps(const void* data, int32_t dtype, int64_t at, int64_t step,
                                   Prefix part) {
  if (step == 1) return load_as(data, dtype, at, part);
  Pack<kPack> x{};
#pragma unroll
  for (int j = 0; j < kPack; ++j) {
    if (j < part.there)
      x.at[j] = step == 0 && j > 0 ? x.at[0] : load_as(data, dtype, at + j * step);
  }
  return x;
}

NAMP_DEVICE void map_runs(const MapArgs& args) {
  const Strided& shape = args.shape;
  for_tasks(shape.count, [&](int64_t begin, int64_t count) {
    const int peel =
        choose_peel(access(args.out, args.out_dtype, begin), access(args.a, args.a_dtype, begin),
                    access(args.b, args.b_dtype, begin));
    for_packs(count, peel, [&](int64_t i, auto part) {
      const auto a = load_as(args.a, args.a_dtype, begin + i, part);
      const auto b = args.b == nullptr ? a : load_as(args.b, args.b_dtype, begin + i, part);
      store_as(apply(args, a, b), args.out, args.out_dtype, begin + i, part);
    });
  });
}

NAMP_DEVICE void map_steps(const MapArgs& args) {
  const Strided& shape = args.shape;
  int64_t columns = 1, out_step = 1, a_step = 1, b_step = 1;
#pragma unroll
  for (int d = 0; d < NAMP_MAP_MAX_RANK; ++d) {
    if (d != shape.rank - 1) continue;
    columns = shape.shape[d];
    out_step = shape.out[d];
    a_step = shape.a[d];
    b_step = shape.b[d];
  }
  for_matrix_packs(shape.count / columns, columns, [&](int64_t row, int64_t column, Prefix part) {
    int64_t rest = row;
    int64_t to = column * out_step;
    int64_t from_a = column * a_step;
    int64_t from_b = column * b_step;
#pragma unroll
    for (int d = NAMP_MAP_MAX_RANK - 2; d >= 0; --d) {
      if (d >= shape.rank - 1) continue;
      const int64_t index = rest % shape.shape[d];
      rest /= shape.shape[d];
      to += index * shape.out[d];
      from_a += index * shape.a[d];
      from_b += index * shape.b[d];
    }
    const auto a = load_steps(args.a, args.a_dtype, from_a, a_step, part);
    const auto b = args.b == nullptr ? a : load_steps(args.b, args.b_dtype, from_b, b_step, part);
    const auto x = apply(args, a, b);
    if (out_step == 1) return store_as(x, args.out, args.out_dtype, to, part);
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      if (j < part.there) store_as(x.at[j], args.out, args.out_dtype, to + j * out_step);
    }
  });
}

}  // namespace

NAMP_KERNEL(kElementThreads) map_kernel(const MapArgs args) {
  if (args.is_run != 0) {
    map_runs(args);
  } else {
    map_steps(args);
  }
}

}  // namespace namp::cuda
