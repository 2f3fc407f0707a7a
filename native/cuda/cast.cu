// Family 1: fused cast, of a tensor and of a table's tensors; with a factor it is family 2's plain
// scale.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/loop.cuh"
#include "cuda/random.cuh"

namespace namp::cuda {
namespace {

// The largest finite value of a destination.
NAMP_DEVICE float limit(ElementType<float>) { return 0x1.fffffep127f; }
NAMP_DEVICE float limit(ElementType<Float16>) { return 65504.0f; }
NAMP_DEVICE float limit(ElementType<BFloat16>) { return 0x1.fep127f; }

// x * factor where a NaN keeps its sign and payload, as a CPU's multiplication does and a GPU's
// does not.
NAMP_DEVICE float times(float x, float factor) {
  const float product = x * factor;
  return x == x ? product : from_bits(bits(x) | 0x00400000u);
}

template <class A, class B>
inline constexpr bool kSame = false;
template <class A>
inline constexpr bool kSame<A, A> = true;

// count elements, of which the first has this index among all elements of the call.
template <class Out, class In>
NAMP_DEVICE void cast_run(Out* out, const In* in, int64_t count, const namp_cast_options& options,
                          uint64_t index) {
  const bool saturates = (options.flags & NAMP_CAST_SATURATE) != 0;
  const bool stochastic = options.rounding == NAMP_ROUND_STOCHASTIC;
  const bool scaled = options.scale != nullptr;
  const int peel = choose_peel(out, in);
  if constexpr (kSame<Out, In>) {
    if (!saturates && !stochastic && !scaled) {
      for_packs(count, peel,
                [=](int64_t i, auto part) { store_raw(load_raw(in + i, part), out + i, part); });
      return;
    }
  }
  const float factor = scaled ? *options.scale : 1.0f;
  const float bound = saturates ? limit(ElementType<Out>()) : from_bits(0x7f800000u);
  const auto prepare = [=](float x) { return saturate(scaled ? times(x, factor) : x, bound); };
  for_packs(count, peel, [=, seed = options.seed](int64_t i, auto part) {
    const auto x = map(prepare, load(in + i, part));
    if (stochastic) {
      const auto words = random_words(index + static_cast<uint64_t>(i), 0, seed, part);
      store_stochastic(x, words.at, out + i, part);
    } else {
      store(x, out + i, part);
    }
  });
}

NAMP_DEVICE void cast_any(void* out, int32_t out_dtype, const void* in, int32_t in_dtype,
                          int64_t begin, int64_t count, const namp_cast_options& options,
                          uint64_t index) {
  with_element(out_dtype, [&](auto out_type) {
    with_element(in_dtype, [&](auto in_type) {
      using Out = typename decltype(out_type)::Type;
      using In = typename decltype(in_type)::Type;
      cast_run(static_cast<Out*>(out) + begin, static_cast<const In*>(in) + begin, count, options,
               index);
    });
  });
}

}  // namespace

NAMP_KERNEL(kCastThreads) cast_kernel(const CastArgs args) {
  for_tasks(args.count, [&](int64_t begin, int64_t count) {
    cast_any(args.destination, args.destination_dtype, args.source, args.source_dtype, begin, count,
             args.options, args.options.offset + static_cast<uint64_t>(begin));
  });
}

NAMP_KERNEL(kCastThreads) cast_table_kernel(const CastTableArgs args) {
  const TableView& table = args.table;
  for (int64_t index = block_index(); index < table.chunk_count; index += block_count()) {
    const Chunk chunk = table.chunks[index];
    const namp_cell destination = table.cell(chunk.tensor, args.destination_column);
    const namp_cell source = table.cell(chunk.tensor, args.source_column);
    if (destination.data == nullptr) continue;
    cast_any(destination.data, destination.dtype, source.data, source.dtype, chunk.begin,
             chunk.count, args.options,
             args.options.offset +
                 static_cast<uint64_t>(table.first_elements[chunk.tensor] + chunk.begin));
  }
}

}  // namespace namp::cuda
