// Family 3: unscale and check in one read of all gradients; and the scale's update from the
// findings.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/sum_lanes.cuh"
#include "cuda/table_task.cuh"
#include "cuda/view.cuh"
#include "formulas/check.h"
#include "formulas/finite.h"
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

// Only reads a chunk. What is not finite makes the sum of squares so: only then is the chunk looked
// at once more, element by element. So an element costs four instructions, and the memory is the
// limit; of its bytes 64 a thread are on their way. FP8 costs more, for its codes and the cell's scale;
// 16 bytes on their way leave it enough registers.
template <class In>
NAMP_DEVICE double read_chunk(const In* in, const namp_cell& cell, const Chunk& chunk,
                              float inverse_scale, Seen& seen) {
  constexpr int kRows = (kIsByte<In> ? 16 : 64) / (kPack * sizeof(In));
  const int peel = choose_peel(access(in));  // there is one that aligns every pack
  const float scale = kIsByte<In> ? load_or(cell.scale, 0, 1.0f) : 1.0f;
  const auto scaled = [&](const auto& wide) {
    if constexpr (kIsByte<In>) return map([=](float x) { return x * scale; }, wide);
    return wide;
  };
  float largest = 0.0f;
  const double sum = sum_squares_in_lanes<kRows>(
      static_cast<int>(chunk.count), peel,
      [&](int i, auto part) {
        if constexpr (part.count == kPack) {
          return load_aligned(in + i);
        } else {
          return load_raw(in + i, part);
        }
      },
      [&](const auto& raw, int, auto part, auto&& add) {
        const auto x = scaled(widen_numbers(raw));
#pragma unroll
        for (int j = 0; j < part.count; ++j) {
          largest = fmaxf(largest, fabsf(x.at[j]));
          add(j, x.at[j] * inverse_scale);
        }
      });
  if (is_finite(sum)) {
    seen.largest = bits(largest);
  } else {
    for_packs(chunk.count, peel, [&](int64_t i, auto part) {
      seen.look(scaled(widen(load_raw(in + i, part))), chunk.begin + i);
    });
  }
  return sum;
}

// Reads a chunk and writes its unscaled values, which may be in the place of the others.
template <class In>
NAMP_DEVICE double unscale_chunk(const In* in, int32_t in_dtype, const Chunk& chunk,
                                 float inverse_scale, const namp_cell& out, Seen& seen) {
  const int peel = choose_peel(access(in), access(out.data, out.dtype, chunk.begin));
  // If true, the bits are copied unchanged.
  const bool copies = out.dtype == in_dtype && inverse_scale == 1.0f;
  return sum_squares_in_lanes<1>(
      static_cast<int>(chunk.count), peel, [&](int i, auto part) { return load_raw(in + i, part); },
      [&](const auto& raw, int i, auto part, auto&& add) {
        const auto scaled = widen(raw);
        seen.look(scaled, chunk.begin + i);
        const auto x = map([&](float y) { return y * inverse_scale; }, scaled);
#pragma unroll
        for (int j = 0; j < part.count; ++j)
          add(j, x.at[j]);
        if (copies) {
          store_raw(raw, static_cast<In*>(out.data) + chunk.begin + i, part);
        } else {
          store_as(x, out.data, out.dtype, chunk.begin + i, part);
        }
      });
}

// The facts of a chunk from what its threads have seen.
NAMP_DEVICE ChunkFacts gather(double sum_of_squares, const Seen& seen) {
  ChunkFacts facts{sum_of_squares, -1, 0, from_bits(block_reduce(seen.largest, Maximum()))};
  if (is_finite(sum_of_squares)) return facts;  // known to all threads
  facts.non_finite_count = static_cast<int32_t>(block_reduce(seen.non_finite, Plus()));
  facts.first_non_finite_index = static_cast<int64_t>(block_reduce(seen.first, Minimum()));
  return facts;
}

// The largest magnitude of a tensor, from chunks of which neighbors mostly belong to one tensor:
// one atomic operation for a run of them.
class LargestOfTensor {
 public:
  NAMP_DEVICE explicit LargestOfTensor(namp_overflow_facts* facts) : facts_(facts) {}
  NAMP_DEVICE void add(int64_t tensor, float magnitude) {
    if (tensor != tensor_) finish();
    tensor_ = tensor;
    largest_ = fmaxf(largest_, magnitude);
  }
  NAMP_DEVICE void finish() {
    if (largest_ == 0.0f) return;
    atomic_max(reinterpret_cast<uint32_t*>(&facts_[tensor_].largest_magnitude), bits(largest_));
    largest_ = 0.0f;
  }

 private:
  namp_overflow_facts* facts_;
  int64_t tensor_ = 0;
  float largest_ = 0.0f;
};

// Computes the facts of the tensors and the state from those of the chunks. Besides the sum they
// are integers and a maximum, whose order does not matter.
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
  struct Found {
    int64_t tensor;
    double sum_of_squares;
    float largest_magnitude;
    int32_t non_finite_count;
  };
  LargestOfTensor largest(table.facts);
  const double sum_of_squares = sum_parts(
      before, table.chunk_count,
      [&](int64_t index) {
        const ChunkFacts* chunk = table.chunk_facts + index;
        return Found{load_global(&table.chunks[index].tensor), load_global(&chunk->sum_of_squares),
                     load_global(&chunk->largest_magnitude), load_global(&chunk->non_finite_count)};
      },
      [&](const Found& found, int64_t index) {
        largest.add(found.tensor, found.largest_magnitude);
        if (found.non_finite_count != 0) {
          namp_overflow_facts& facts = table.facts[found.tensor];
          const auto count = static_cast<uint64_t>(found.non_finite_count);
          atomic_add(reinterpret_cast<uint64_t*>(&facts.non_finite_count), count);
          atomic_min(reinterpret_cast<uint64_t*>(&facts.first_non_finite_index),
                     static_cast<uint64_t>(table.chunk_facts[index].first_non_finite_index));
          atomic_add(&non_finite, count);
          atomic_min(&first_tensor, static_cast<uint64_t>(found.tensor));
        }
        return found.sum_of_squares;
      });
  largest.finish();
  if (thread != 0) return;
  const NonFinite found{static_cast<int64_t>(non_finite), static_cast<int64_t>(first_tensor)};
  finish_check(state, reset, args.unscales != 0, sum_of_squares, found, inverse_scale);
}

// A kernel's body: check(in, task, inverse_scale, seen) sees a chunk and gives its sum of squares.
// kFloat8: some gradients may be FP8.
template <bool kFloat8, class Check>
NAMP_DEVICE void check_table(const UnscaleCheckArgs& args, Check&& check) {
  const TableView& table = args.table;
  const float inverse_scale = args.scaler == nullptr ? 1.0f : args.scaler->inverse_scale;
  for_chunks(table, [&](const TableTask& task, int64_t index) {
    const namp_cell gradient = task.cells[args.gradient_column];
    ChunkFacts facts{};
    if (gradient.data != nullptr) {
      Seen seen;
      const auto see = [&](auto in_type) {
        using In = typename decltype(in_type)::Type;
        const In* in = static_cast<const In*>(gradient.data) + task.chunk.begin;
        return check(in, task, inverse_scale, seen);
      };
      const bool float8 = kFloat8 && is_float8(gradient.dtype);
      const double sum =
          float8 ? with_float8_element(gradient.dtype, see) : with_element(gradient.dtype, see);
      facts = gather(sum, seen);
    }
    if (thread_index() == 0) table.chunk_facts[index] = facts;
  });
  if (is_last_block(args.ticket)) combine(args, inverse_scale);
}

}  // namespace

NAMP_KERNEL(kCheckThreads, kCheckBlocks) check_kernel(const UnscaleCheckArgs args) {
  check_table<true>(
      args, [&](const auto* in, const TableTask& task, float inverse_scale, Seen& seen) {
        return read_chunk(in, task.cells[args.gradient_column], task.chunk, inverse_scale, seen);
      });
}

NAMP_KERNEL(kCheckThreads) unscale_kernel(const UnscaleCheckArgs args) {
  check_table<false>(args,
                     [&](const auto* in, const TableTask& task, float inverse_scale, Seen& seen) {
                       return unscale_chunk(in, task.cells[args.gradient_column].dtype, task.chunk,
                                            inverse_scale, task.cells[args.write_column], seen);
                     });
}

NAMP_KERNEL(32) scaler_update_kernel(const ScalerUpdateArgs args) {
  if (thread_index() != 0) return;
  bool overflow = false;
  for (int32_t i = 0; i < args.count; ++i)
    overflow = overflow || args.states[i]->found_inf != 0;
  update_scaler(*args.scaler, args.options, overflow);
}

}  // namespace namp::cuda
