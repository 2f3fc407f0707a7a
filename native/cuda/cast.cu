// Family 1: fused cast, of a tensor and of a table's tensors; with a factor it is family 2's plain
// scale.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/random.cuh"
#include "cuda/table_task.cuh"
#include "cuda/view.cuh"

namespace namp::cuda {
namespace {

// The largest finite value of a dtype.
NAMP_DEVICE float limit_of(int32_t dtype) {
  return dtype == NAMP_FLOAT16 ? 65504.0f : dtype == NAMP_BFLOAT16 ? 0x1.fep127f : 0x1.fffffep127f;
}

// x * factor where a NaN keeps its sign and payload, as a CPU's multiplication does and a GPU's
// does not.
template <int kCount>
NAMP_DEVICE Pack<kCount> times(const Pack<kCount>& x, float factor) {
  const auto product = map([=](float y) { return y * factor; }, x);
  if (!has_nan(x)) return product;
  return map([](float y, float p) { return y == y ? p : from_bits(bits(y) | 0x00400000u); }, x,
             product);
}

// Nothing to convert: bits, whatever they mean.
template <class Word>
NAMP_DEVICE void copy_run(void* out, const void* in, int64_t begin, int64_t count) {
  const Word* from = static_cast<const Word*>(in) + begin;
  Word* to = static_cast<Word*>(out) + begin;
  for_packs(count, choose_peel(access(to), access(from)),
            [=](int64_t i, auto part) { store_raw(load_raw(from + i, part), to + i, part); });
}

NAMP_DEVICE float factor_of(const namp_cast_options& options) {
  return options.scale != nullptr ? *options.scale : 1.0f;
}

// count elements from begin on, the first of which has this index among all elements of the call.
NAMP_DEVICE void cast_run(void* out, int32_t out_dtype, const void* in, int32_t in_dtype,
                          int64_t begin, int64_t count, const namp_cast_options& options,
                          float factor, uint64_t index) {
  const bool saturates = (options.flags & NAMP_CAST_SATURATE) != 0;
  const bool scaled = options.scale != nullptr;
  // Then there is arithmetic, which makes a signalling NaN quiet.
  const bool changes = saturates || scaled || options.rounding == NAMP_ROUND_STOCHASTIC;
  if (out_dtype == in_dtype && !changes) {
    return out_dtype == NAMP_FLOAT32 ? copy_run<uint32_t>(out, in, begin, count)
                                     : copy_run<uint16_t>(out, in, begin, count);
  }
  const bool stochastic = options.rounding == NAMP_ROUND_STOCHASTIC && out_dtype != NAMP_FLOAT32;
  const float bound = limit_of(out_dtype);
  const uint64_t seed = options.seed;
  const int peel = choose_peel(access(out, out_dtype, begin), access(in, in_dtype, begin));
  if (!changes) {
    for_packs(count, peel, [&](int64_t i, auto part) {
      store_as(load_as(in, in_dtype, begin + i, part), out, out_dtype, begin + i, part);
    });
    return;
  }
  for_packs(count, peel, [&](int64_t i, auto part) {
    auto x = times(load_as(in, in_dtype, begin + i, part), factor);
    if (saturates) x = map([=](float y) { return saturate(y, bound); }, x);
    if (stochastic) {
      const auto words = random_words(index + static_cast<uint64_t>(i), 0, seed, part);
      store_stochastic_as(x, words.at, out, out_dtype, begin + i, part);
    } else {
      store_as(x, out, out_dtype, begin + i, part);
    }
  });
}

}  // namespace

NAMP_KERNEL(kCastThreads) cast_kernel(const CastArgs args) {
  const float factor = factor_of(args.options);
  for_tasks(args.count, [&](int64_t begin, int64_t count) {
    cast_run(args.destination, args.destination_dtype, args.source, args.source_dtype, begin, count,
             args.options, factor, args.options.offset + static_cast<uint64_t>(begin));
  });
}

NAMP_KERNEL(kCastThreads) cast_table_kernel(const CastTableArgs args) {
  const float factor = factor_of(args.options);
  for_chunks(args.table, [&](const TableTask& task, int64_t) {
    const namp_cell destination = task.cells[args.destination_column];
    const namp_cell source = task.cells[args.source_column];
    if (destination.data == nullptr) return;
    const int64_t begin = task.chunk.begin;
    cast_run(destination.data, destination.dtype, source.data, source.dtype, begin,
             task.chunk.count, args.options, factor,
             args.options.offset + static_cast<uint64_t>(task.first_element + begin));
  });
}

}  // namespace namp::cuda
