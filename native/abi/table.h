// namp_table: the description on the host, to check calls against, and the same on the device for
// the kernels.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "abi/device.h"
#include "table_view.h"

namespace namp {

// The requirements of a namp_optimizer_step on a table's cells.
struct OptimizerNeeds {
  namp_optimizer_columns columns;
  std::vector<int32_t> states;  // [groups] columns of state
  bool compact = false;         // some parameter or state is not float32, or some gradient is FP8

  // Compares without allocating: it runs before every step.
  template <class StatesOf>
  bool are_those_of(const namp_optimizer_args& args, StatesOf&& states_of) const {
    if (std::memcmp(&columns, &args.columns, sizeof(columns)) != 0) return false;
    if (states.size() != static_cast<size_t>(args.group_count)) return false;
    for (size_t group = 0; group < states.size(); ++group) {
      if (states[group] != states_of(args.groups[group])) return false;
    }
    return true;
  }
};

}  // namespace namp

struct namp_table {
  namp_table(namp_device& owner, const namp_table_description& description);
  namp_table(const namp_table&) = delete;
  namp_table& operator=(const namp_table&) = delete;
  ~namp_table();

  const namp_cell& cell(int64_t tensor, int32_t column) const {
    return cells[static_cast<size_t>(tensor * view.column_count + column)];
  }

  namp_device& device;
  std::vector<int64_t> counts;
  std::vector<namp_cell> cells;
  std::vector<int32_t> groups;
  // The requirements that the cells were last found to meet: steps ask the same of the same cells.
  std::optional<namp::OptimizerNeeds> fulfilled;
  namp::TableView view{};

  // Puts these cells in place, on a stream.
  void change_cells(std::vector<namp_cell> changed, namp_stream stream);

  // Call it before work with the table is put on a stream: the table's memory outlives that work.
  void use_on(namp_stream stream);

 private:
  void record_streams(void* memory);
  // The tensors that have chunks, or memory in one of these cells.
  std::vector<bool> with_memory(const std::vector<namp_cell>& of_cells) const;
  void make_chunks(const std::vector<bool>& tensors, namp_stream stream);

  void* memory_ = nullptr;  // the arrays of the view, except those of the chunks
  // Chunks and their facts. A tensor that never had memory in any column has no chunks, for any
  // number of elements.
  void* chunk_memory_ = nullptr;
  std::vector<bool> in_chunks_;
  std::vector<namp_stream> streams_;  // streams that it was used on
};

namespace namp {

// The table, or an error if it is null.
namp_table& check_table(namp_table* table);

// A column of the table.
void check_column(const namp_table& table, int32_t column, const char* name);

// Checks a cell that a function needs: it has memory (unless its tensor is empty) of a
// floating-point dtype, or of the dtype needed if that is not NAMP_DTYPE_NONE. column_name names
// the column in messages.
void check_cell(const namp_table& table, int64_t tensor, int32_t column, const char* column_name,
                namp_dtype needed = NAMP_DTYPE_NONE);

// The same for a cell that a cast reads or writes, of any dtype that a cast takes.
void check_cast_cell(const namp_table& table, int64_t tensor, int32_t column,
                     const char* column_name);

// The same for a cell of gradients that an optimizer reads, or of what it unscales them to.
void check_gradient_cell(const namp_table& table, int64_t tensor, int32_t column,
                         const char* column_name);

// The same for a cell of an optimizer's state.
void check_state_cell(const namp_table& table, int64_t tensor, int32_t column,
                      const char* column_name);

}  // namespace namp
