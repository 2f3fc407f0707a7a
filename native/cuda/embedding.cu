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
  for_elements(args.count * args.width, [&](int64_t i) {
    const int64_t index = load_global(args.indices + i / args.width);
    const bool known = index >= 0 && index < args.vocabulary;
    const float x =
        known ? load_as(args.weight, args.weight_dtype, index * args.width + i % args.width)
              : from_bits(0x7fc00000u);
    store_as(x, args.output, args.output_dtype, i);
  });
}

// One block for each row of the table. It reads the indices tile by tile, and adds the gradients of
// its row in the order of the indices: without atomics, so always with the same bits.
NAMP_KERNEL(kElementThreads) embedding_backward_kernel(const namp_embedding_args args) {
  __shared__ int32_t tile[kElementThreads];
  __shared__ uint32_t hits[2];  // of this tile, and of the one before, which may still be in use
  const int thread = thread_index();
  for (int64_t row = block_index(); row < args.vocabulary; row += block_count()) {
    float* sums = args.weight_gradient + row * args.width;
    if (args.accumulate == 0) {
      for (int64_t c = thread; c < args.width; c += kElementThreads)
        store(0.0f, sums + c);
    }
    if (thread < 2) hits[thread] = 0;
    barrier();
    int turn = 0;
    for (int64_t first = 0; first < args.count; first += kElementThreads) {
      const int64_t rest = args.count - first;
      const int filled = rest < kElementThreads ? static_cast<int>(rest) : kElementThreads;
      const int32_t index = thread < filled ? load_global(args.indices + first + thread) : -1;
      tile[thread] = index;
      if (index == row) atomic_add(&hits[turn], 1u);
      barrier();
      if (hits[turn] != 0) {
        for (int j = 0; j < filled; ++j) {
          if (tile[j] != row) continue;
          for (int64_t c = thread; c < args.width; c += kElementThreads) {
            const float g =
                load_as(args.output_gradient, args.output_dtype, (first + j) * args.width + c);
            store(load(sums + c) + g, sums + c);
          }
        }
      }
      turn = 1 - turn;
      if (thread == 0) hits[turn] = 0;
      barrier();
    }
  }
}

}  // namespace namp::cuda
