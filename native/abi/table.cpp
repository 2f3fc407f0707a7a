#include "abi/table.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "abi/check.h"
#include "abi/graph_memory.h"
#include "abi/wall.h"

namespace namp {
namespace {

// Checks a cell of any dtype: aligned. A null cell has no dtype to check.
void check_registered_cell(const namp_cell& cell, int64_t tensor, int32_t column) {
  if (cell.data == nullptr) return;
  const std::string name =
      "cells[tensor " + std::to_string(tensor) + ", column " + std::to_string(column) + "]";
  if (dtype_size(cell.dtype) == 0) {
    fail(NAMP_ERROR_INVALID_ARGUMENT,
         name + ".dtype is " + dtype_name(cell.dtype) + "; set it to the dtype of the data.");
  }
  check_aligned(cell.data, dtype_size(cell.dtype), (name + ".data").c_str());
  check_cell_rest(cell, name);
}

// Checks that a cell has memory, unless its tensor is empty, and a valid dtype by
// check_dtype(dtype, name). name() makes the cell's name only for an error.
template <class CheckDtype>
void check_memory(const namp_table& table, int64_t tensor, int32_t column, const char* column_name,
                  CheckDtype&& check_dtype) {
  if (table.counts[static_cast<size_t>(tensor)] == 0) return;
  const namp_cell& cell = table.cell(tensor, column);
  const auto name = [&] {
    return std::string(column_name) + " of tensor " + std::to_string(tensor) + " (column " +
           std::to_string(column) + ")";
  };
  if (cell.data == nullptr) {
    fail(NAMP_ERROR_INVALID_ARGUMENT, name() + " is null; register its memory in the table.");
  }
  check_dtype(cell.dtype, name);
}

// Lays arrays out one after the other in a block, each aligned for any use.
class Layout {
 public:
  int64_t add(int64_t count, size_t size) {
    const int64_t offset = bytes_;
    bytes_ += (count * static_cast<int64_t>(size) + 255) / 256 * 256;
    return offset;
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_ = 0;
};

}  // namespace

namp_table& check_table(namp_table* table) {
  check_not_null(table, "table");
  check_process(table->device);
  return *table;
}

void check_column(const namp_table& table, int32_t column, const char* name) {
  check_range(column, 0, table.view.column_count - 1, name);
}

void check_cell(const namp_table& table, int64_t tensor, int32_t column, const char* column_name,
                namp_dtype needed) {
  check_memory(table, tensor, column, column_name, [needed](int32_t dtype, const auto& name) {
    if (needed != NAMP_DTYPE_NONE) {
      if (dtype != needed) check_same_dtype(dtype, needed, name().c_str());
    } else if (!is_float(dtype)) {
      check_float_dtype(dtype, name().c_str());
    }
  });
}

void check_cast_cell(const namp_table& table, int64_t tensor, int32_t column,
                     const char* column_name) {
  check_memory(table, tensor, column, column_name, [](int32_t dtype, const auto& name) {
    if (!is_cast(dtype)) check_cast_dtype(dtype, name().c_str());
  });
}

void check_gradient_cell(const namp_table& table, int64_t tensor, int32_t column,
                         const char* column_name) {
  check_memory(table, tensor, column, column_name, [](int32_t dtype, const auto& name) {
    if (!is_stored_float(dtype)) check_stored_float_dtype(dtype, name().c_str());
  });
}

void check_state_cell(const namp_table& table, int64_t tensor, int32_t column,
                      const char* column_name) {
  check_memory(table, tensor, column, column_name, [](int32_t dtype, const auto& name) {
    if (!is_state(dtype)) check_state_dtype(dtype, name().c_str());
  });
}

}  // namespace namp

using namp::Chunk;
using namp::ChunkFacts;
using namp::kChunkElements;

namp_table::namp_table(namp_device& owner, const namp_table_description& description)
    : device(owner) {
  const auto tensors = static_cast<size_t>(description.tensor_count);
  counts.assign(description.counts, description.counts + tensors);
  cells.assign(description.cells,
               description.cells + tensors * static_cast<size_t>(description.column_count));
  groups.assign(tensors, 0);
  if (description.groups != nullptr) {
    std::copy(description.groups, description.groups + tensors, groups.begin());
  }
  in_chunks_.assign(tensors, false);
  std::vector<int64_t> first_elements(tensors);
  int64_t elements = 0;
  for (size_t tensor = 0; tensor < tensors; ++tensor) {
    first_elements[tensor] = elements;
    elements += counts[tensor];
  }

  view.tensor_count = description.tensor_count;
  view.column_count = description.column_count;
  in_chunks_ = with_memory(cells);
  namp::Layout layout;
  const int64_t counts_at = layout.add(view.tensor_count, sizeof(int64_t));
  const int64_t first_elements_at = layout.add(view.tensor_count, sizeof(int64_t));
  const int64_t cells_at = layout.add(static_cast<int64_t>(cells.size()), sizeof(namp_cell));
  const int64_t groups_at = layout.add(view.tensor_count, sizeof(int32_t));
  const int64_t facts_at = layout.add(view.tensor_count, sizeof(namp_overflow_facts));

  std::vector<char> image(static_cast<size_t>(layout.bytes()));
  const auto put = [&](int64_t offset, const auto& array) {
    if (!array.empty()) {
      std::memcpy(image.data() + offset, array.data(), array.size() * sizeof(array[0]));
    }
  };
  put(counts_at, counts);
  put(first_elements_at, first_elements);
  put(cells_at, cells);
  put(groups_at, groups);
  // Until the first check, the facts show no overflow.
  put(facts_at, std::vector<namp_overflow_facts>(tensors, {0, -1, 0.0f, 0}));

  if (layout.bytes() > 0) {
    memory_ = device.pool.allocate(layout.bytes(), NAMP_MEMORY_OTHER, nullptr);
    try {
      device.backend->copy(memory_, image.data(), layout.bytes(), NAMP_COPY_HOST_TO_DEVICE,
                           nullptr);
      make_chunks(in_chunks_, nullptr);
      device.backend->synchronize(nullptr);
    } catch (...) {
      if (chunk_memory_ != nullptr) device.pool.free(chunk_memory_, nullptr);
      device.pool.free(memory_, nullptr);
      throw;
    }
  }
  char* base = static_cast<char*>(memory_);
  view.counts = reinterpret_cast<const int64_t*>(base + counts_at);
  view.first_elements = reinterpret_cast<const int64_t*>(base + first_elements_at);
  view.cells = reinterpret_cast<const namp_cell*>(base + cells_at);
  view.groups = reinterpret_cast<const int32_t*>(base + groups_at);
  view.facts = reinterpret_cast<namp_overflow_facts*>(base + facts_at);
  device.tables++;
}

namp_table::~namp_table() {
  if (chunk_memory_ != nullptr) device.pool.free(chunk_memory_, nullptr);
  if (memory_ != nullptr) device.pool.free(memory_, nullptr);
  device.tables--;
}

void namp_table::use_on(namp_stream stream) {
  if (namp::GraphMemory* graph = namp::current_graph_memory(device.pool)) {
    device.pool.hold(memory_, *graph);
    device.pool.hold(chunk_memory_, *graph);
  }
  if (std::find(streams_.begin(), streams_.end(), stream) != streams_.end()) return;
  streams_.push_back(stream);
  record_streams(memory_);
  record_streams(chunk_memory_);
}

void namp_table::record_streams(void* memory) {
  if (memory == nullptr) return;
  for (const namp_stream stream : streams_)
    device.pool.record_stream(memory, stream);
}

std::vector<bool> namp_table::with_memory(const std::vector<namp_cell>& of_cells) const {
  std::vector<bool> with = in_chunks_;
  for (size_t i = 0; i < of_cells.size(); ++i) {
    if (of_cells[i].data != nullptr) with[i / static_cast<size_t>(view.column_count)] = true;
  }
  return with;
}

void namp_table::make_chunks(const std::vector<bool>& tensors, namp_stream stream) {
  std::vector<Chunk> chunks;
  for (size_t tensor = 0; tensor < tensors.size(); ++tensor) {
    if (!tensors[tensor]) continue;
    for (int64_t begin = 0; begin < counts[tensor]; begin += kChunkElements) {
      chunks.push_back(
          {static_cast<int64_t>(tensor), begin, std::min(kChunkElements, counts[tensor] - begin)});
    }
  }
  const auto count = static_cast<int64_t>(chunks.size());
  namp::Layout layout;
  const int64_t chunks_at = layout.add(count, sizeof(Chunk));
  const int64_t facts_at = layout.add(count, sizeof(ChunkFacts));
  char* made = nullptr;
  if (count > 0) {
    made = static_cast<char*>(device.pool.allocate(layout.bytes(), NAMP_MEMORY_OTHER, stream));
    try {
      device.backend->copy(made + chunks_at, chunks.data(),
                           count * static_cast<int64_t>(sizeof(Chunk)), NAMP_COPY_HOST_TO_DEVICE,
                           stream);
    } catch (...) {
      device.pool.free(made, stream);
      throw;
    }
  }
  if (chunk_memory_ != nullptr) device.pool.free(chunk_memory_, stream);
  chunk_memory_ = made;
  record_streams(chunk_memory_);
  view.chunk_count = count;
  view.chunks = reinterpret_cast<const Chunk*>(made + (made == nullptr ? 0 : chunks_at));
  view.chunk_facts = reinterpret_cast<ChunkFacts*>(made + (made == nullptr ? 0 : facts_at));
}

void namp_table::change_cells(std::vector<namp_cell> changed, namp_stream stream) {
  std::vector<bool> tensors = with_memory(changed);
  if (tensors != in_chunks_) {
    // Kernels that were started use the old chunks: their memory goes back in the order of the
    // stream.
    make_chunks(tensors, stream);
    in_chunks_.swap(tensors);
  }
  device.backend->copy(const_cast<namp_cell*>(view.cells), changed.data(),
                       static_cast<int64_t>(changed.size() * sizeof(namp_cell)),
                       NAMP_COPY_HOST_TO_DEVICE, stream);
  cells.swap(changed);
  fulfilled.reset();
}

int32_t namp_table_create(namp_table** table, namp_device* device,
                          const namp_table_description* description) {
  return namp::wall([&] {
    namp::check_object(table, "table");
    namp_device& owner = namp::check_device(device);
    namp::check_struct(description, "description");
    namp::check_range(description->column_count, 1, NAMP_TABLE_MAX_COLUMNS,
                      "description->column_count");
    const int64_t tensors =
        namp::check_range(description->tensor_count, 0, INT32_MAX, "description->tensor_count");
    if (tensors > 0) {
      namp::check_object(description->counts, "description->counts");
      namp::check_object(description->cells, "description->cells");
      if (description->groups != nullptr) {
        namp::check_object(description->groups, "description->groups");
      }
    }
    int64_t elements = 0;
    for (int64_t tensor = 0; tensor < tensors; ++tensor) {
      elements += namp::check_count(description->counts[tensor], "description->counts[i]");
      namp::check_count(elements, "the number of elements of all tensors");
      if (description->groups != nullptr) {
        namp::check_range(description->groups[tensor], 0, INT32_MAX - 1, "description->groups[i]");
      }
      for (int32_t column = 0; column < description->column_count; ++column) {
        const auto& cell = description->cells[tensor * description->column_count + column];
        namp::check_registered_cell(cell, tensor, column);
      }
    }
    namp::refuse_capture(owner, "a new table is copied from the host. Create it before.");
    *table = new namp_table(owner, *description);
  });
}

int32_t namp_table_destroy(namp_table* table) {
  return namp::wall([&] {
    if (table == nullptr) return;
    namp::check_table(table);
    delete table;
  });
}

int32_t namp_table_set_column(namp_table* table, int32_t column, const namp_cell* cells,
                              namp_stream stream) {
  return namp::wall([&] {
    namp_table& checked = namp::check_table(table);
    const namp::DeviceUse use(checked.device);
    namp::check_column(checked, column, "column");
    const int64_t tensors = checked.view.tensor_count;
    if (tensors == 0) return;
    namp::check_object(cells, "cells");
    for (int64_t tensor = 0; tensor < tensors; ++tensor) {
      namp::check_registered_cell(cells[tensor], tensor, column);
    }
    std::vector<namp_cell> changed = checked.cells;
    for (int64_t tensor = 0; tensor < tensors; ++tensor) {
      changed[static_cast<size_t>(tensor * checked.view.column_count + column)] = cells[tensor];
    }
    namp::refuse_capture(checked.device,
                         "namp_table_set_column copies from the host. Call it before: gradients "
                         "that were there in the step before do not move.");
    checked.use_on(stream);
    checked.change_cells(std::move(changed), stream);
  });
}

int32_t namp_table_get_facts(namp_overflow_facts** facts, namp_table* table) {
  return namp::wall([&] {
    namp::check_object(facts, "facts");
    *facts = namp::check_table(table).view.facts;
  });
}
