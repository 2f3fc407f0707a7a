// Family 3: unscale and check, one read of all gradients; and the scale's update from what it
// found.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/loop.cuh"
#include "cuda/reduce.cuh"
#include "formulas/loss_scale.h"

namespace namp::cuda {
namespace {

constexpr int kThreads = kCheckThreads;
static_assert(int64_t{kThreads} * kPack == kSumLanes, "a turn of the loop is one of all sum lanes");

// What one thread saw of a chunk.
struct Seen {
  uint32_t largest = 0;  // the bits of the largest finite magnitude
  uint32_t non_finite = 0;
  uint64_t first = ~uint64_t{0};  // index within the tensor of the first that is not finite

  NAMP_DEVICE void look(float x, int64_t index) {
    const uint32_t magnitude = bits(x) & 0x7fffffffu;
    if (magnitude < 0x7f800000u) {
      largest = magnitude > largest ? magnitude : largest;
    } else {
      ++non_finite;
      first = static_cast<uint64_t>(index) < first ? static_cast<uint64_t>(index) : first;
    }
  }
};

// The sum of the lanes in float64, the upper half onto the lower until one is left
// (cpu/sum_lanes-inl.h has the same order).
NAMP_DEVICE double total(const float* lanes, double* sums) {
  for (int j = thread_index(); j < kSumLanes / 2; j += kThreads) {
    sums[j] = static_cast<double>(lanes[j]) + static_cast<double>(lanes[j + kSumLanes / 2]);
  }
  for (int width = kSumLanes / 4; width > 0; width /= 2) {
    barrier();
    for (int j = thread_index(); j < width; j += kThreads)
      sums[j] += sums[j + width];
  }
  barrier();
  return sums[0];
}

// Writes the unscaled elements; the same bits where there is nothing to do.
template <class Out>
struct Writer {
  Out* out;
  float inverse_scale;

  template <class In, class Part>
  NAMP_DEVICE void operator()(const RawPack<In, Part::count>& raw, const Pack<Part::count>& x,
                              int64_t i, Part part) const {
    (void)raw;
    store(x, out + i, part);
  }
  template <class Part>
  NAMP_DEVICE void operator()(const RawPack<Out, Part::count>& raw, const Pack<Part::count>& x,
                              int64_t i, Part part) const {
    if (inverse_scale == 1.0f) {
      store_raw(raw, out + i, part);
    } else {
      store(x, out + i, part);
    }
  }
  NAMP_DEVICE const Out* pointer() const { return out; }
};
struct NoWriter {
  template <class Raw, class X, class Part>
  NAMP_DEVICE void operator()(const Raw&, const X&, int64_t, Part) const {}
  NAMP_DEVICE const float* pointer() const { return nullptr; }
};

// One chunk: element i's square is added to lane i % kSumLanes, in the order of i, whatever the
// alignment: first the elements before the packs, then the packs (which stay in their thread's
// registers), then the rest.
template <class In, class Write>
NAMP_DEVICE void check_chunk(const In* in, int64_t count, int64_t first_index, float inverse_scale,
                             Write write, ChunkFacts& facts) {
  __shared__ float lanes[kSumLanes];
  __shared__ double sums[kSumLanes / 2];
  const int peel = choose_peel(in, write.pointer());
  const int64_t head = peel < count ? peel : count;
  const int64_t packs = (count - head) / kPack;
  const int thread = thread_index();
  Seen seen;

  const auto visit = [&](int64_t i, auto part, auto&& accumulate) {
    const auto raw = load_raw(in + i, part);
    Pack<decltype(part)::count> x;
#pragma unroll
    for (int j = 0; j < part.count; ++j) {
      const float scaled = widen(raw.at[j]);
      seen.look(scaled, first_index + i + j);
      x.at[j] = scaled * inverse_scale;
      accumulate(j, x.at[j] * x.at[j]);
    }
    write(raw, x, i, part);
  };

  for (int j = thread; j < kSumLanes; j += kThreads)
    lanes[j] = 0.0f;
  barrier();
  if (thread < head) {
    visit(thread, Single{}, [&](int, float square) { lanes[thread] += square; });
  }
  barrier();
  float mine[kPack];
  const int first_lane = peel + thread * kPack;
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    mine[j] = lanes[(first_lane + j) % kSumLanes];
  for (int64_t pack = thread; pack < packs; pack += kThreads) {
    visit(head + pack * kPack, Whole{}, [&](int j, float square) { mine[j] += square; });
  }
#pragma unroll
  for (int j = 0; j < kPack; ++j)
    lanes[(first_lane + j) % kSumLanes] = mine[j];
  barrier();
  const int64_t rest = head + packs * kPack + thread;
  if (rest < count) {
    visit(rest, Single{}, [&](int, float square) { lanes[rest % kSumLanes] += square; });
  }
  barrier();
  const double sum = total(lanes, sums);
  const uint32_t largest = block_reduce(seen.largest, Maximum());
  const uint32_t non_finite = block_reduce(seen.non_finite, Plus());
  const uint64_t first = block_reduce(seen.first, Minimum());
  if (thread == 0) {
    facts.sum_of_squares = sum;
    facts.non_finite_count = non_finite;
    facts.first_non_finite_index = static_cast<int64_t>(first);
    facts.largest_magnitude = from_bits(largest);
    facts.reserved = 0;
  }
}

// The tensors' facts and the state's, from the chunks'. Sums are added in the order of chunks, by
// one thread; what is left are integers, whose order does not matter.
NAMP_DEVICE void combine(const UnscaleCheckArgs& args, float inverse_scale) {
  __shared__ double sums[kThreads];
  __shared__ uint64_t first_tensor;
  __shared__ uint64_t non_finite;
  const TableView& table = args.table;
  namp_optimizer_state& state = *args.state;
  const int thread = thread_index();

  for (int64_t tensor = thread; tensor < table.tensor_count; tensor += kThreads)
    table.facts[tensor] = {0, -1, 0.0f, 0};
  double sum_of_squares = 0.0;
  if (thread == 0) {
    const double norm = args.reset != 0 ? 0.0 : static_cast<double>(state.gradient_norm);
    sum_of_squares = norm * norm;
    first_tensor = ~uint64_t{0};
    non_finite = 0;
  }
  fence();
  barrier();
  for (int64_t tile = 0; tile < table.chunk_count; tile += kThreads) {
    const int64_t index = tile + thread;
    sums[thread] = 0.0;
    if (index < table.chunk_count) {
      const int64_t tensor = table.chunks[index].tensor;
      if (table.cell(tensor, args.gradient_column).data != nullptr) {
        const ChunkFacts chunk = table.chunk_facts[index];
        namp_overflow_facts& facts = table.facts[tensor];
        sums[thread] = chunk.sum_of_squares;
        atomic_max(reinterpret_cast<uint32_t*>(&facts.largest_magnitude),
                   bits(chunk.largest_magnitude));
        if (chunk.non_finite_count != 0) {
          const auto count = static_cast<uint64_t>(chunk.non_finite_count);
          atomic_add(reinterpret_cast<uint64_t*>(&facts.non_finite_count), count);
          atomic_min(reinterpret_cast<uint64_t*>(&facts.first_non_finite_index),
                     static_cast<uint64_t>(chunk.first_non_finite_index));
          atomic_add(&non_finite, count);
          atomic_min(&first_tensor, static_cast<uint64_t>(tensor));
        }
      }
    }
    barrier();
    if (thread == 0) {
      for (int j = 0; j < kThreads; ++j)
        sum_of_squares += sums[j];
    }
    barrier();
  }
  if (thread != 0) return;
  const bool overflow = non_finite != 0 || !is_finite(inverse_scale);
  const bool had_tensor = args.reset == 0 && state.first_non_finite_tensor >= 0;
  state.found_inf = (args.reset == 0 && state.found_inf != 0) || overflow ? 1 : 0;
  state.non_finite_count =
      (args.reset != 0 ? 0 : state.non_finite_count) + static_cast<int64_t>(non_finite);
  if (!had_tensor) state.first_non_finite_tensor = static_cast<int64_t>(first_tensor);
  state.gradient_norm = static_cast<float>(::sqrt(sum_of_squares));
  if (args.write_column >= 0) {
    state.unscaled = 1;
  } else if (args.reset != 0) {
    state.unscaled = 0;
  }
}

}  // namespace

NAMP_KERNEL(kCheckThreads) unscale_check_kernel(const UnscaleCheckArgs args) {
  const TableView& table = args.table;
  const float inverse_scale = args.scaler == nullptr ? 1.0f : args.scaler->inverse_scale;
  for (int64_t index = block_index(); index < table.chunk_count; index += block_count()) {
    const Chunk chunk = table.chunks[index];
    const namp_cell gradient = table.cell(chunk.tensor, args.gradient_column);
    if (gradient.data == nullptr) continue;
    namp_cell out{};
    if (args.write_column >= 0) out = table.cell(chunk.tensor, args.write_column);
    with_element(gradient.dtype, [&](auto in_type) {
      using In = typename decltype(in_type)::Type;
      const In* in = static_cast<const In*>(gradient.data) + chunk.begin;
      ChunkFacts& facts = table.chunk_facts[index];
      if (out.data == nullptr) {
        check_chunk(in, chunk.count, chunk.begin, inverse_scale, NoWriter{}, facts);
        return;
      }
      with_element(out.dtype, [&](auto out_type) {
        using Out = typename decltype(out_type)::Type;
        const Writer<Out> write{static_cast<Out*>(out.data) + chunk.begin, inverse_scale};
        check_chunk(in, chunk.count, chunk.begin, inverse_scale, write, facts);
      });
    });
  }
  if (is_last_block(args.ticket)) combine(args, inverse_scale);
}

NAMP_KERNEL(32) scaler_update_kernel(const ScalerUpdateArgs args) {
  if (thread_index() != 0) return;
  bool overflow = false;
  for (int32_t i = 0; i < args.count; ++i)
    overflow = overflow || args.states[i]->found_inf != 0;
  update_scaler(*args.scaler, args.options, overflow);
}

}  // namespace namp::cuda
