// Moving averages of a table's tensors.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/table_task.cuh"
#include "cuda/view.cuh"
#include "formulas/average.h"

namespace namp::cuda {

NAMP_KERNEL(kElementThreads) average_table_kernel(const AverageArgs args) {
  const float weight = args.weight;
  for_chunks(args.table, [&](const TableTask& task, int64_t) {
    const namp_cell average = task.cells[args.average_column];
    const namp_cell value = task.cells[args.value_column];
    if (average.data == nullptr) return;
    const int64_t begin = task.chunk.begin;
    with_element(value.dtype, [&](auto element) {
      float* to = static_cast<float*>(average.data) + begin;
      const auto* from = static_cast<const typename decltype(element)::Type*>(value.data) + begin;
      for_packs(task.chunk.count, choose_peel(access(to), access(from)), [&](int64_t i, auto part) {
        // Both loads are in flight before the first conversion.
        const auto old = load_raw(to + i, part);
        const auto x = load_raw(from + i, part);
        store(map([=](float a, float b) { return moved_average(a, b, weight); }, widen(old),
                  widen(x)),
              to + i, part);
      });
    });
  });
}

}  // namespace namp::cuda
