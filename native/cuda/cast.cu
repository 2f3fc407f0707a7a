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
NAMP_DEVICE float times(float x, float factor) {
  const float product = x * factor;
  return x == x ? product : from_bits(bits(x) | 0x00400000u);
}

// Nothing to convert: bits, whatever they mean.
template <class Word>
NAMP_DEVICE void copy_run(void* out, const void* in, int64_t begin, int64_t count) {
  const Word* from = static_cast<const Word*>(in) + begin;
  Word* to = static_cast<Word*>(out) + begin;
  for_packs(count, choose_peel(access(to), access(from)),
            [=](int64_t i, auto part) { store_raw(load_raw(from + i, part), to + i, part); });
}

// count elements from begin on, the first of which has this index among all elements of the call.
NAMP_DEVICE void cast_run(void* out, int32_t out_dtype, const void* in, int32_t in_dtype,
                          int64_t begin, int64_t count, const namp_cast_options& options,
                          uint64_t index) {
  const bool saturates = (options.flags & NAMP_CAST_SATURATE) != 0;
  const bool scaled = options.scale != nullptr;
  // Then there is arithmetic, which makes a signalling NaN quiet.
  const bool changes = saturates || scaled || options.rounding == NAMP_ROUND_STOCHASTIC;
  if (out_dtype == in_dtype && !changes) {
    return out_dtype == NAMP_FLOAT32 ? copy_run<uint32_t>(out, in, begin, count)
                                     : copy_run<uint16_t>(out, in, begin, count);
  }
  const bool stochastic = options.rounding == NAMP_ROUND_STOCHASTIC && out_dtype != NAMP_FLOAT32;
  const float factor = scaled ? *options.scale : 1.0f;
  const float bound = saturates ? limit_of(out_dtype) : from_bits(0x7f800000u);
  const uint64_t seed = options.seed;
  const int peel = choose_peel(access(out, out_dtype, begin), access(in, in_dtype, begin));
  for_packs(count, peel, [&](int64_t i, auto part) {
    const auto prepare = [=](float x) { return saturate(changes ? times(x, factor) : x, bound); };
    const auto x = map(prepare, load_as(in, in_dtype, begin + i, part));
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
  for_tasks(args.count, [&](int64_t begin, int64_t count) {
    cast_run(args.destination, args.destination_dtype, args.source, args.source_dtype, begin, count,
             args.options, args.options.offset + static_cast<uint64_t>(begin));
  });
}

NAMP_KERNEL(kCastThreads) cast_table_kernel(const CastTableArgs args) {
  for_chunks(args.table, [&](const TableTask& task, int64_t) {
    const namp_cell destination = task.cells[args.destination_column];
    const namp_cell source = task.cells[args.source_column];
    if (destination.data == nullptr) return;
    const int64_t begin = task.chunk.begin;
    cast_run(destination.data, destination.dtype, source.data, source.dtype, begin,
             task.chunk.count, args.options,
             args.options.offset + static_cast<uint64_t>(task.first_element + begin));
  });
}

}  // namespace namp::cuda
