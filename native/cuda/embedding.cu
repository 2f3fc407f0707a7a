// Lookup of rows of a table by index, and its gradient.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"
#include "formulas/index_fact.h"

namespace namp::cuda {

NAMP_KERNEL(kElementThreads) embedding_forward_kernel(const namp_embedding_args args) {
  if (args.bad_index != nullptr && block_index() == 0) {
    int64_t bad = args.count;
    for (int64_t i = thread_index(); i < args.count; i += kElementThreads) {
      if (i < bad && is_outside(load_global(args.indices + i), args.vocabulary)) bad = i;
    }
    bad = block_reduce(bad, Minimum());
    if (bad < args.count && thread_index() == 0) {
      tell(args.bad_index, NAMP_INDEX_ROW, bad, args.indices[bad], args.vocabulary);
    }
  }
  with_element(args.output_dtype, [&](auto element) {
    auto* output = static_cast<typename decltype(element)::Type*>(args.output);
    for_matrix_packs(args.count, args.width, [&](int64_t i, int64_t column, Prefix part) {
      const int64_t index = load_global(args.indices + i);
      Pack<kPack> x;
      if (is_outside(index, args.vocabulary)) {
#pragma unroll
        for (float& y : x.at)
          y = from_bits(0x7fc00000u);
      } else {
        x = load_as(args.weight, args.weight_dtype, index * args.width + column, part);
      }
      store(x, output + i * args.width + column, part);
    });
  });
}

namespace {

// The indices of a tile that fall in a group of rows, as (row in the group) * kIndexTile + (place in
// the tile).
struct Hits {
  uint32_t found[kIndexTile];
  uint32_t ordered[kIndexTile];
  uint32_t count[3];  // of this tile, of the one before, which may still be read, and of the next
};

// Collects the hits of a tile, by row and in a row by place: whatever order they are found in, the
// keys differ, and each key's rank is its place. Returns their number.
NAMP_DEVICE int order_hits(Hits& hits, const int32_t* tile, int64_t filled, int64_t first_row,
                           int64_t end_row, int turn) {
  if (thread_index() == 0) hits.count[(turn + 1) % 3] = 0;
#pragma unroll
  for (int k = 0; k < kIndexTile / kElementThreads; ++k) {
    const int at = k * kElementThreads + thread_index();
    const int64_t index = at < filled ? load_global(tile + at) : -1;
    if (index < first_row || index >= end_row) continue;
    hits.found[atomic_add(&hits.count[turn], 1u)] =
        static_cast<uint32_t>(index - first_row) * kIndexTile + static_cast<uint32_t>(at);
  }
  barrier();
  const auto count = static_cast<int>(hits.count[turn]);
  if (count == 0) return 0;
  for (int i = thread_index(); i < count; i += kElementThreads) {
    const uint32_t key = hits.found[i];
    int rank = 0;
    for (int j = 0; j < count; ++j)
      rank += hits.found[j] < key ? 1 : 0;
    hits.ordered[rank] = key;
  }
  barrier();
  return count;
}

// Adds the gradients of the hits to a column of the group's rows. gradients: of the column, from the
// tile on.
template <class T>
NAMP_DEVICE void add_hits(const Hits& hits, int count, const T* gradients, float* sums,
                          int64_t width) {
  uint32_t row = 0xffffffffu;
  float sum = 0.0f;
  for (int i = 0; i < count; i += kPack) {
    RawPack<T, kPack> raw;
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      const uint32_t key = hits.ordered[i + j < count ? i + j : i];
      raw.at[j] = load_global(gradients + static_cast<int64_t>(key % kIndexTile) * width);
    }
    const auto g = widen(raw);
#pragma unroll
    for (int j = 0; j < kPack; ++j) {
      if (i + j >= count) continue;
      const uint32_t own = hits.ordered[i + j] / kIndexTile;
      if (own != row) {
        if (row != 0xffffffffu) store(sum, sums + row * width);
        row = own;
        sum = load(sums + row * width);
      }
      sum += g.at[j];
    }
  }
  if (row != 0xffffffffu) store(sum, sums + row * width);
}

}  // namespace

// A block has a group of the table's rows and a column for each thread. It reads the indices tile by
// tile, and adds the gradients of a row in the order of the indices: always the same bits.
NAMP_KERNEL(kElementThreads) embedding_backward_kernel(const EmbeddingBackwardArgs args) {
  __shared__ Hits hits;
  const namp_embedding_args& call = args.call;
  const int64_t chunks = (call.width + kElementThreads - 1) / kElementThreads;
  const int64_t groups = (call.vocabulary + args.group_rows - 1) / args.group_rows;
  for (int64_t task = block_index(); task < groups * chunks; task += block_count()) {
    const int64_t first_row = task / chunks * args.group_rows;
    const int64_t rest = call.vocabulary - first_row;
    const int64_t end_row = first_row + (rest < args.group_rows ? rest : args.group_rows);
    const int64_t column = task % chunks * kElementThreads + thread_index();
    // A thread reads and writes the sums of its own column only.
    const bool has_column = column < call.width;
    float* sums = call.weight_gradient + first_row * call.width + column;
    if (call.accumulate == 0 && has_column) {
      for (int64_t row = 0; row < end_row - first_row; ++row)
        store(0.0f, sums + row * call.width);
    }
    barrier();  // the task before has read its hits
    if (thread_index() < 3) hits.count[thread_index()] = 0;
    barrier();
    int turn = 0;
    for (int64_t first = 0; first < call.count; first += kIndexTile) {
      const int count =
          order_hits(hits, call.indices + first, call.count - first, first_row, end_row, turn);
      turn = (turn + 1) % 3;
      if (count == 0 || !has_column) continue;
      with_element(call.output_dtype, [&](auto element) {
        using T = typename decltype(element)::Type;
        add_hits(hits, count,
                 static_cast<const T*>(call.output_gradient) + first * call.width + column, sums,
                 call.width);
      });
    }
  }
}

}  // namespace namp::cuda
