// A chunk of a table with its tensor's cells. A block loads it once, because reading the table is
// memory traffic too.
#pragma once

#include "cuda/platform.cuh"

#include "table_view.h"

namespace namp::cuda {

struct TableTask {
  Chunk chunk;
  int64_t first_element;  // of the tensor, among all of the table
  int32_t group;
  int64_t step;  // number of updates of the tensor, if needed
  namp_cell cells[NAMP_TABLE_MAX_COLUMNS];
};

// Calls body(task, index) for this block's chunks. All threads of the block take part in all
// chunks; the task is shared. steps is [tensors], or null.
template <class Body>
NAMP_DEVICE void for_chunks(const TableView& table, Body&& body, const int64_t* steps = nullptr) {
  __shared__ TableTask task;
  for (int64_t index = block_index(); index < table.chunk_count; index += block_count()) {
    const int thread = thread_index();
    if (thread < table.column_count) {
      task.cells[thread] = table.cell(table.chunks[index].tensor, thread);
    } else if (thread == NAMP_TABLE_MAX_COLUMNS) {
      task.chunk = table.chunks[index];
      task.first_element = table.first_elements[task.chunk.tensor];
      task.group = table.groups[task.chunk.tensor];
      if (steps != nullptr) task.step = steps[task.chunk.tensor];
    }
    barrier();
    body(static_cast<const TableTask&>(task), index);
    barrier();
  }
}

}  // namespace namp::cuda
