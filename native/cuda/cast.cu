// Family 1: fused cast, of a tensor and of a table's tensors; with a factor it is family 2's plain
// scale.
#include "cuda/platform.cuh"

#include "cuda/block_code.cuh"
#include "cuda/kernels.h"
#include "cuda/random.cuh"
#include "cuda/table_task.cuh"
#include "cuda/view.cuh"

namespace namp::cuda {
namespace {

// x * factor. A NaN keeps its sign and payload, as in a CPU's multiplication, but not in a GPU's.
template <int kCount>
NAMP_DEVICE Pack<kCount> times(const Pack<kCount>& x, float factor) {
  const auto product = map([=](float y) { return y * factor; }, x);
  if (!has_nan(x)) return product;
  return map([](float y, float p) { return y == y ? p : from_bits(bits(y) | 0x00400000u); }, x,
             product);
}

// Copies bits: there is nothing to convert.
template <class Word>
NAMP_DEVICE void copy_run(void* out, const void* in, int64_t begin, int64_t count) {
  const Word* from = static_cast<const Word*>(in) + begin;
  Word* to = static_cast<Word*>(out) + begin;
  for_packs(count, choose_peel(access(to), access(from)),
            [=](int64_t i, auto part) { store_raw(load_raw(from + i, part), to + i, part); });
}

NAMP_DEVICE float value_or_one(const float* scale) { return scale != nullptr ? load(scale) : 1.0f; }

template <class Part>
NAMP_DEVICE Pack<Part::count> load_stored(const namp_cell& cell, int64_t i, Part part) {
  return with_stored_element(cell.dtype, [&](auto element) {
    return load(static_cast<const typename decltype(element)::Type*>(cell.data) + i, part);
  });
}

template <class Part>
NAMP_DEVICE void store_stored(const Pack<Part::count>& x, const namp_cell& cell, int64_t i,
                              Part part) {
  with_stored_element(cell.dtype, [&](auto element) {
    store(x, static_cast<typename decltype(element)::Type*>(cell.data) + i, part);
  });
}

template <class Part>
NAMP_DEVICE void store_stored(const Pack<Part::count>& x, const uint32_t* words,
                              const namp_cell& cell, int64_t i, Part part) {
  with_stored_element(cell.dtype, [&](auto element) {
    store_stochastic(x, words, static_cast<typename decltype(element)::Type*>(cell.data) + i, part);
  });
}

// x after saturation. The setting is the same for all elements of a tensor.
template <int kCount>
NAMP_DEVICE Pack<kCount> saturate_as(const Pack<kCount>& x, int32_t dtype) {
  return with_stored_element(dtype, [&](auto element) {
    using Element = typename decltype(element)::Type;
    return map([](float y) { return saturate<Element>(y, Format<Element>::kLargest); }, x);
  });
}

// Casts count elements from begin on. index is that of the first one among all elements of the
// call.
NAMP_DEVICE void cast_run(const namp_cell& out, const namp_cell& in, int64_t begin, int64_t count,
                          const namp_cast_options& options, float factor, uint64_t index) {
  if (is_block_code(out.dtype)) {
    const float* from = static_cast<const float*>(in.data) + begin;
    return for_blocks(0, static_cast<int>(count), [&](int i, Prefix part) {
      store_codes(load(from + i, part), out, begin + i, part);
    });
  }
  if (is_block_code(in.dtype)) {
    float* to = static_cast<float*>(out.data) + begin;
    return for_blocks(0, static_cast<int>(count), [&](int i, Prefix part) {
      store(load_codes(in, begin + i, part), to + i, part);
    });
  }
  const bool saturates = (options.flags & NAMP_CAST_SATURATE) != 0;
  const bool scales = in.scale != nullptr || out.scale != nullptr;
  // If the value changes there is arithmetic, which makes a signaling NaN quiet.
  const bool changes =
      saturates || scales || options.scale != nullptr || options.rounding == NAMP_ROUND_STOCHASTIC;
  if (out.dtype == in.dtype && !changes) {
    with_stored_element(in.dtype, [&](auto element) {
      using Word = typename WordOf<sizeof(typename decltype(element)::Type)>::Type;
      copy_run<Word>(out.data, in.data, begin, count);
    });
    return;
  }
  const bool stochastic = options.rounding == NAMP_ROUND_STOCHASTIC;
  const float in_scale = value_or_one(in.scale);
  const float out_scale = value_or_one(out.scale);
  const uint64_t seed = options.seed;
  const int peel =
      choose_peel(access(out.data, out.dtype, begin), access(in.data, in.dtype, begin));
  if (!changes) {
    for_packs(count, peel, [&](int64_t i, auto part) {
      store_stored(load_stored(in, begin + i, part), out, begin + i, part);
    });
    return;
  }
  for_packs(count, peel, [&](int64_t i, auto part) {
    auto x = load_stored(in, begin + i, part);
    if (in.scale != nullptr) x = map([=](float y) { return times_scale(y, in_scale); }, x);
    x = times(x, factor);
    if (out.scale != nullptr) x = map([=](float y) { return over_scale(y, out_scale); }, x);
    if (saturates) x = saturate_as(x, out.dtype);
    if (stochastic) {
      const uint64_t first = index + static_cast<uint64_t>(i);
      const auto words = dtype_size(out.dtype) == 2 ? random_halves(first, 0, seed, part)
                                                    : random_words(first, 0, seed, part);
      store_stored(x, words.at, out, begin + i, part);
    } else {
      store_stored(x, out, begin + i, part);
    }
  });
}

}  // namespace

NAMP_KERNEL(kCastThreads) cast_kernel(const CastArgs args) {
  const float factor = value_or_one(args.options.scale);
  for_tasks(args.count, [&](int64_t begin, int64_t count) {
    cast_run(args.destination, args.source, begin, count, args.options, factor,
             args.options.offset + static_cast<uint64_t>(begin));
  });
}

NAMP_KERNEL(kCastThreads) cast_table_kernel(const CastTableArgs args) {
  const float factor = value_or_one(args.options.scale);
  for_chunks(args.table, [&](const TableTask& task, int64_t) {
    const namp_cell destination = task.cells[args.destination_column];
    const namp_cell source = task.cells[args.source_column];
    if (destination.data == nullptr || source.data == nullptr) return;
    const int64_t begin = task.chunk.begin;
    cast_run(destination, source, begin, task.chunk.count, args.options, factor,
             args.options.offset + static_cast<uint64_t>(task.first_element + begin));
  });
}

}  // namespace namp::cuda
