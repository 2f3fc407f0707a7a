// Family 3: unscale and check in one read of all gradients; and the scale's update from the
// findings.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/sum_lanes.cuh"
#include "cuda/table_task.cuh"
#include "cuda/view.cuh"
#include "formulas/check.h"
#include "formulas/loss_scale.h"

namespace namp::cuda {
namespace {

constexpr int kThreads = kCheckThreads;
static_assert(kThreads == kSumThreads);

// The findings of one thread in a chunk.
struct Seen {
  uint32_t largest = 0;  // the bits of the largest finite magnitude
  uint32_t non_finite = 0;
  uint64_t first = ~uint64_t{0};  // index within the tensor of the first that is not finite

  // The first element of the pack has this index.
  template <int kCount>
  NAMP_DEVICE void look(const Pack<kCount>& x, int64_t index) {
    uint32_t most = largest;
#pragma unroll
    for (int j = 0; j < kCount; ++j)
      most = magnitude(x.at[j]) > most ? magnitude(x.at[j]) : most;
    if (most < kInfinity) {
      largest = most;
      return;
    }
#pragma unroll
    for (int j = 0; j < kCount; ++j)
      look(x.at[j], index + j);
  }

 private:
  static constexpr uint32_t kInfinity = 0x7f800000u;

  NAMP_DEVICE static uint32_t magnitude(float x) { return bits(x) & 0x7fffffffu; }

  NAMP_DEVICE void look(float x, int64_t index) {
    if (magnitude(x) < kInfinity) {
      largest = magnitude(x) > largest ? magnitude(x) : largest;
    } else {
      ++non_finite;
      first = static_cast<uint64_t>(index) < first ? static_cast<uint64_t>(index) : first;
    }
  }
};

// One chunk in one read: its facts, and the unscaled values where out is not null.
template <class In>
NAMP_DEVICE void check_chunk(const In* in, int32_t in_dtype, const Chunk& chunk,
                             float inverse_scale, const namp_cell& out, ChunkFacts& facts) {
  Seen seen;
  const int peel = choose_peel(access(in), access(out.data, out.dtype, chunk.begin));
  // If true, the bits are copied unchanged.
  const bool copies = out.dtype == in_dtype && inverse_scale == 1.0f;
  const double sum = sum_squares_in_lanes(chunk.count, peel, [&](int64_t i, auto part, auto&& add) {
    const auto raw = load_raw(in + i, part);
    const auto scaled = widen(raw);
    seen.look(scaled, chunk.begin + i);
    const auto x = map([&](float y) { return y * inverse_scale; }, scaled);
#pragma unroll
    for (int j = 0; j < part.count; ++j)
      add(j, x.at[j]);
    if (out.data == nullptr) return;
    if (copies) {
      store_raw(raw, static_cast<In*>(out.data) + chunk.begin + i, part);
    } else {
      store_as(x, out.data, out.dtype, chunk.begin + i, part);
    }
  });
  const uint32_t largest = block_reduce(seen.largest, Maximum());
  const uint32_t non_finite = block_reduce(seen.non_finite, Plus());
  const uint64_t first = block_reduce(seen.first, Minimum());
  if (thread_index() == 0) {
    facts.sum_of_squares = sum;
    facts.non_finite_count = non_finite;
    facts.first_non_finite_index = static_cast<int64_t>(first);
    facts.largest_magnitude = from_bits(largest);
    facts.reserved = 0;
  }
}

// Computes the facts of the tensors and the state from those of the chunks. One thread adds sums in
// the order of chunks; the other facts are integers, whose order does not matter.
NAMP_DEVICE void combine(const UnscaleCheckArgs& args, float inverse_scale) {
  __shared__ uint64_t first_tensor;
  __shared__ uint64_t non_finite;
  const TableView& table = args.table;
  namp_optimizer_state& state = *args.state;
  const int thread = thread_index();

  for (int64_t tensor = thread; tensor < table.tensor_count; tensor += kThreads)
    table.facts[tensor] = {0, -1, 0.0f, 0};
  if (thread == 0) {
    first_tensor = ~uint64_t{0};
    non_finite = 0;
  }
  const bool reset = args.reset != 0;
  // All threads read it before one of them writes it.
  const double before = squares_before(state, reset);
  fence();
  barrier();
  const auto visit = [&](int64_t index) {
    const int64_t tensor = table.chunks[index].tensor;
    if (table.cell(tensor, args.gradient_column).data == nullptr) return 0.0;
    const ChunkFacts chunk = table.chunk_facts[index];
    namp_overflow_facts& facts = table.facts[tensor];
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
    return chunk.sum_of_squares;
  };
  const double sum_of_squares = sum_in_order<kThreads>(before, table.chunk_count, visit);
  if (thread != 0) return;
  const NonFinite found{static_cast<int64_t>(non_finite), static_cast<int64_t>(first_tensor)};
  finish_check(state, reset, args.write_column >= 0, sum_of_squares, found, inverse_scale);
}

}  // namespace

NAMP_KERNEL(kCheckThreads) unscale_check_kernel(const UnscaleCheckArgs args) {
  const TableView& table = args.table;
  const float inverse_scale = args.scaler == nullptr ? 1.0f : args.scaler->inverse_scale;
  for_chunks(table, [&](const TableTask& task, int64_t index) {
    const namp_cell gradient = task.cells[args.gradient_column];
    if (gradient.data == nullptr) return;
    namp_cell out{};
    if (args.write_column >= 0) out = task.cells[args.write_column];
    with_element(gradient.dtype, [&](auto in_type) {
      using In = typename decltype(in_type)::Type;
      const In* in = static_cast<const In*>(gradient.data) + task.chunk.begin;
      check_chunk(in, gradient.dtype, task.chunk, inverse_scale, out, table.chunk_facts[index]);
    });
  });
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
