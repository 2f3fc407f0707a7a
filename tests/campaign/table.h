// Tables and their states.
#pragma once

#include "../native/cells.h"
#include "call.h"

namespace namp_campaign {

// A table of a few tensors, whose handle can be null. It is destroyed after the call.
struct TestTable {
  namp_table* table = nullptr;
  int64_t tensors = 0;

  // One dtype for each column; 0 for any floating-point dtype, in column 1 FP8 too. Some gradients are
  // missing.
  static TestTable& draw(Call& c, std::initializer_list<int32_t> dtypes) {
    auto& t = *static_cast<TestTable*>(c.block(sizeof(TestTable)));
    c.takes_device = false;
    const auto columns = static_cast<int64_t>(dtypes.size());
    const int64_t tensors = c.small(4);
    t = {};
    t.tensors = tensors;
    std::vector<int64_t> counts;
    std::vector<namp_cell> cells;
    std::vector<int32_t> groups;
    for (int64_t tensor = 0; tensor < tensors; ++tensor) {
      counts.push_back(c.small(c.random.one_in(10) ? 20000 : 60));
      groups.push_back(static_cast<int32_t>(c.random.below(3)));
      for (int64_t column = 0; column < columns; ++column) {
        int32_t dtype = dtypes.begin()[column];
        if (dtype == 0) {
          dtype = c.random.of<int32_t>({NAMP_FLOAT32, NAMP_FLOAT16, NAMP_BFLOAT16});
          if (column == 1 && c.random.one_in(4))
            dtype = c.random.of<int32_t>({NAMP_FLOAT8_E4M3, NAMP_FLOAT8_E5M2});
        }
        const bool missing =
            counts.back() == 0 || (column == 0 && columns < 6 && c.random.one_in(6));
        cells.push_back(missing ? namp_cell{}
                                : namp_test::cell(c.elements(dtype, counts.back()), dtype));
      }
    }
    namp_table_description description{};
    description.struct_size = sizeof(description);
    description.column_count = static_cast<int32_t>(columns);
    description.tensor_count = tensors;
    description.counts = counts.data();
    description.cells = cells.data();
    description.groups = groups.data();
    if (namp_table_create(&t.table, c.device, &description) != NAMP_OK) t.table = nullptr;
    namp_table* made = t.table;
    c.afterwards([made] { namp_table_destroy(made); });
    c.wrong([&t] {
      t.table = nullptr;
      return true;
    });
    return t;
  }
};

// A pointer to a state of any bits or of zeros; it can be null or misaligned.
template <class State>
State*& draw_state(Call& c) {
  auto& pointer = *static_cast<State**>(c.block(sizeof(State*)));
  pointer = static_cast<State*>(c.elements(NAMP_UINT8, sizeof(State)));
  if (c.random.one_in(2)) std::memset(static_cast<void*>(pointer), 0, sizeof(State));
  if (c.random.one_in(4)) {
    // Every counter at its largest value.
    std::memset(static_cast<void*>(pointer), 0xff, sizeof(State));
    auto* words = reinterpret_cast<uint64_t*>(pointer);
    for (size_t i = 0; i < sizeof(State) / sizeof(uint64_t); ++i)
      words[i] = c.random.of<uint64_t>({0x7fffffffffffffffu, 0x7fffffff7fffffffu, 0u});
  }
  c.wrong([&pointer] {
    pointer = nullptr;
    return true;
  });
  c.wrong([&c, &pointer] { return c.misalign(pointer); });
  return pointer;
}

inline const namp_scaler_state** draw_scaler(Call& c) {
  auto** pointer = static_cast<const namp_scaler_state**>(c.block(sizeof(void*)));
  *pointer = nullptr;
  if (c.random.one_in(3)) return pointer;
  auto* state = static_cast<namp_scaler_state*>(c.block(sizeof(namp_scaler_state)));
  *state = {};
  state->scale = c.random.of({1.0f, 65536.0f, 0.0f});
  state->inverse_scale = 1.0f / state->scale;
  *pointer = state;
  c.wrong([&c, pointer] { return c.misalign(*pointer); });
  return pointer;
}

}  // namespace namp_campaign
