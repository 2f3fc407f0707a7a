// The memory traffic of a kernel without its arithmetic: the limit that kernels are measured
// against.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/loop.cuh"
#include "cuda/reduce.cuh"
#include "cuda/table_task.cuh"

namespace namp::cuda {
namespace {

struct Xor {
  NAMP_DEVICE uint32_t operator()(uint32_t a, uint32_t b) const { return a ^ b; }
};

// The exclusive or of what this thread read of a run.
template <class Word>
NAMP_DEVICE uint32_t touch_run(Word* data, int64_t count, int32_t wanted) {
  uint32_t seen = 0;
  for_packs(count, choose_peel(access(data)), [&](int64_t i, auto part) {
    RawPack<Word, decltype(part)::count> pack{};
    if (wanted != NAMP_ACCESS_WRITE) {
      pack = load_raw(data + i, part);
#pragma unroll
      for (int j = 0; j < part.count; ++j) {
        seen ^= pack.at[j];
        pack.at[j] = static_cast<Word>(~pack.at[j]);
      }
    }
    if (wanted != NAMP_ACCESS_READ) store_raw(pack, data + i, part);
  });
  return seen;
}

}  // namespace

NAMP_KERNEL(kTouchThreads) touch_kernel(NAMP_GRID_CONSTANT const TouchArgs args) {
  uint32_t seen = 0;
  for_chunks(args.table, [&](const TableTask& task, int64_t) {
    for (int32_t column = 0; column < args.table.column_count; ++column) {
      const namp_cell cell = task.cells[column];
      const int32_t wanted = args.accesses[column];
      if (wanted == NAMP_ACCESS_NONE || cell.data == nullptr) continue;
      const int64_t begin = task.chunk.begin;
      const auto touch = [&](auto* words) {
        seen ^= touch_run(words + begin, task.chunk.count, wanted);
      };
      const int bytes = dtype_size(cell.dtype);
      if (bytes == 4) {
        touch(static_cast<uint32_t*>(cell.data));
      } else if (bytes == 2) {
        touch(static_cast<uint16_t*>(cell.data));
      } else {
        touch(static_cast<uint8_t*>(cell.data));
      }
    }
  });
  // Whether somebody asks is known only at run time, so no compiler leaves the reads out.
  seen = block_reduce(seen, Xor());
  if (thread_index() == 0 && args.checksum != nullptr) atomic_xor(args.checksum, seen);
}

}  // namespace namp::cuda
