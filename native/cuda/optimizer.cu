// Family 4: a step of any rule in one pass over gradients, parameters and state, which also writes
// the compute copies.
#include "cuda/platform.cuh"

#include "cuda/block_code.cuh"
#include "cuda/optimizer_layouts.cuh"
#include "cuda/optimizer_weights.cuh"
#include "cuda/table_task.cuh"
#include "cuda/view.cuh"
#include "formulas/rules/update.h"

namespace namp::cuda {
namespace {

// Updates one chunk of one tensor. The constants are in registers: from shared memory they would be
// loaded again for every pack.
template <int kStates, class Rule>
NAMP_DEVICE void update_chunk(const OptimizerArgs& args, const TableTask& task,
                              UpdateConstants<Rule> c, int64_t step) {
  constexpr int kArray = kStates > 0 ? kStates : 1;
  const Chunk chunk = task.chunk;
  const namp_optimizer_columns& columns = args.columns;
  const namp_cell gradient = task.cells[columns.gradient];
  const auto floats = [&](int32_t column) {
    return static_cast<float*>(task.cells[column].data) + chunk.begin;
  };
  float* parameter = floats(columns.parameter);
  float* state[kArray] = {};
#pragma unroll
  for (int k = 0; k < kStates; ++k)
    state[k] = floats(columns.state[k]);
  const WeightStore copy(args, task, step, columns.compute_copy);

  const auto state_access = [&](int k) { return access(k < kStates ? state[k] : nullptr); };
  const int peel = choose_peel(access(parameter), state_access(0), state_access(1), state_access(2),
                               access(gradient.data, gradient.dtype, chunk.begin),
                               access(copy.cell.data, copy.cell.dtype, chunk.begin));
  for_packs(chunk.count, peel, [&](int64_t i, auto part) {
    constexpr int kCount = decltype(part)::count;
    // The gradient is loaded last: its conversion waits for it, and all loads should be in flight
    // by then.
    auto p = load(parameter + i, part);
    Pack<kCount> s[kArray];
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      s[k] = load(state[k] + i, part);
    const auto g = load_as(gradient.data, gradient.dtype, chunk.begin + i, part);
    update_pack<kStates>(p, s, g, c);
    store(p, parameter + i, part);
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      store(s[k], state[k] + i, part);
    copy.put(p, i, part);
  });
}

// A pack of a column of state of any dtype, before its conversion; all lanes of a warp have the packs
// of a block.
struct StatePack {
  NAMP_DEVICE Pack<kPack> widen_by(const BlockNumbers& numbers, int32_t dtype) const {
    if (is_block_code(dtype))
      return numbers.decode(codes.as<uint8_t>(), dtype, block_scale_of(scale));
    return widen_as(codes, dtype);
  }
  AnyPack codes;
  float scale;  // as fetched
};
NAMP_DEVICE StatePack fetch_state(const namp_cell& cell, int64_t i, Prefix part) {
  return {fetch_any(cell, i, part), is_block_code(cell.dtype) ? fetch_scale(cell, i) : 0.0f};
}
NAMP_DEVICE void store_state(const Pack<kPack>& x, const namp_cell& cell, int64_t i, Prefix part) {
  if (is_block_code(cell.dtype)) {
    store_codes(x, cell, i, part);
  } else {
    store_as(x, cell.data, cell.dtype, i, part);
  }
}

// Gradients of any dtype.
NAMP_DEVICE Pack<kPack> widen_gradients(const AnyPack& gradients, const namp_cell& cell) {
  if (!is_float8(cell.dtype)) return widen_as(gradients, cell.dtype);
  const float scale = load_or(cell.scale, 0, 1.0f);
  return with_float8_element(cell.dtype, [&](auto element) {
    return map([=](float x) { return times_scale(x, scale); },
               widen(gradients.as<typename decltype(element)::Type>()));
  });
}

// Parameters that are float32, or in half precision alone or with remainders.
NAMP_DEVICE Pack<kPack> widen_parameters(const AnyPack& parameters, int32_t dtype,
                                         const RawPack<uint16_t, kPack>& remainders,
                                         bool has_remainders) {
  return has_remainders ? join(Halves<kPack>{parameters.as<uint16_t>(), remainders})
                        : widen_as(parameters, dtype);
}
NAMP_DEVICE void store_with_remainders(const Pack<kPack>& p, const namp_cell& cell,
                                       uint16_t* remainders, int64_t i, Prefix part) {
  const Halves<kPack> halves = split(p);
  store_raw(halves.upper, static_cast<uint16_t*>(cell.data) + i, part);
  store_raw(halves.remainder, remainders + i, part);
}

// From shared memory every time: kept in registers, the cells would take those of a pack.
NAMP_DEVICE namp_cell cell_of(const TableTask& task, int32_t column) {
  const volatile namp_cell& there = task.cells[column];
  namp_cell cell{};
  cell.data = there.data;
  cell.scale = there.scale;
  cell.dtype = there.dtype;
  return cell;
}

// Columns of state that are fetched with the others of a pack. AMSGrad's third would not fit in the
// registers beside them.
constexpr int kFetchedAhead = 2;

// Updates a chunk from its element `first` on, of one tensor whose parameters and states may be compact,
// block by block. The constants stay in shared memory: in registers they would not fit beside the
// fetched packs.
template <int kStates, class Rule>
NAMP_DEVICE void update_blocks(const OptimizerArgs& args, const TableTask& task,
                               const BlockNumbers& numbers, const UpdateConstants<Rule>& c,
                               int64_t step, int first) {
  constexpr int kArray = kStates > 0 ? kStates : 1;
  const namp_optimizer_columns& columns = args.columns;
  for_blocks(first, static_cast<int>(task.chunk.count), [&](int run, Prefix part) {
    const int64_t i = task.chunk.begin + run;
    const auto fetch = [&](int32_t column) { return fetch_any(cell_of(task, column), i, part); };
    const auto remainders = [&] {
      return columns.remainder < 0 ? nullptr
                                   : static_cast<uint16_t*>(cell_of(task, columns.remainder).data);
    };
    const AnyPack parameters = fetch(columns.parameter);
    StatePack states[kArray];
#pragma unroll
    for (int k = 0; k < kStates && k < kFetchedAhead; ++k)
      states[k] = fetch_state(cell_of(task, columns.state[k]), i, part);
    const AnyPack gradients = fetch(columns.gradient);
    RawPack<uint16_t, kPack> remainder{};
    if (remainders() != nullptr) remainder = load_raw(remainders() + i, part);

    const auto dtype = [&](int32_t column) { return cell_of(task, column).dtype; };
    auto p =
        widen_parameters(parameters, dtype(columns.parameter), remainder, remainders() != nullptr);
    Pack<kPack> s[kArray];
#pragma unroll
    for (int k = 0; k < kStates; ++k) {
      if (k >= kFetchedAhead) states[k] = fetch_state(cell_of(task, columns.state[k]), i, part);
      s[k] = states[k].widen_by(numbers, dtype(columns.state[k]));
    }
    update_pack<kStates>(p, s, widen_gradients(gradients, cell_of(task, columns.gradient)), c);
#pragma unroll
    for (int k = 0; k < kStates; ++k)
      store_state(s[k], cell_of(task, columns.state[k]), i, part);
    if (remainders() != nullptr)
      store_with_remainders(p, cell_of(task, columns.parameter), remainders(), i, part);
      // One code for both.
#pragma unroll 1
    for (int weight = remainders() == nullptr ? 0 : 1; weight < 2; ++weight) {
      const int32_t column = weight == 0 ? columns.parameter : columns.compute_copy;
      WeightStore(args, task, step, column).put(p, run, part);
    }
  });
}

// Rules with code of their own for the layouts that are in use: the one that most models are trained
// with. For all rules the PTX would be more than twice as long, and take as long to compile and to
// translate.
template <class Rule>
inline constexpr bool kHasLayouts = std::is_same_v<Rule, Adam>;

// Updates the chunk with the number of columns of state of its tensor's group.
template <class Rule, bool kCompact, int kStates = Rule::kMinStates>
NAMP_DEVICE void update_chunk_of(int states, const OptimizerArgs& args, const TableTask& task,
                                 const BlockNumbers* numbers,
                                 const UpdateConstants<Rule>& constants, int64_t step) {
  if constexpr (kStates < Rule::kMaxStates) {
    if (states != kStates)
      return update_chunk_of<Rule, kCompact, kStates + 1>(states, args, task, numbers, constants,
                                                          step);
  }
  if constexpr (kCompact) {
    int done = 0;  // elements
    if constexpr (kHasLayouts<Rule> && kStates <= kFetchedAhead)
      done = update_by_layout<kStates, Rule>(args, task, *numbers, constants, step);
    update_blocks<kStates, Rule>(args, task, *numbers, constants, step, done);
  } else {
    update_chunk<kStates, Rule>(args, task, constants, step);
  }
}

// kCompact: some parameter or state of the table is not float32, or some gradient is FP8. numbers is
// then in shared memory.
template <class Rule, bool kCompact>
NAMP_DEVICE void update_table(const OptimizerArgs& args, BlockNumbers* numbers) {
  __shared__ UpdateConstants<Rule> constants;
  __shared__ int states;
  __shared__ namp_optimizer_group few[kInlineGroups];
  namp_optimizer_state& state = *args.state;
  if (state.found_inf != 0) return;
  if constexpr (kCompact) numbers->fill();  // a barrier comes before its use: for_chunks has one
  const StepStart start = step_start(state, args.scaler, args.max_norm);
  const namp_optimizer_rows* const rows = args.rows;
  // Volatile, or the compiler makes one load of each pair, from an address that it chooses: and then
  // all arguments are in local memory.
  const volatile namp_optimizer_rows* const head = rows;
  const int64_t row = head == nullptr ? group_row(state.step, args.first_step, args.row_count)
                                      : group_row(state.step, head->first_step, head->row_count);
  if (rows == nullptr) {
    auto* words = reinterpret_cast<uint64_t*>(few);
    const int row_words = args.group_count * kGroupWords;
    const auto first = static_cast<int>(row) * row_words;
    for (int i = thread_index(); i < row_words; i += block_threads())
      words[i] = args.groups[first + i];
  }
  const namp_optimizer_group* const groups =
      rows == nullptr ? few : groups_of(*rows) + row * args.group_count;
  // The group of the current constants: a group's tensors are mostly updated together, and the
  // block's next chunk has the same.
  int32_t group = -1;
  int64_t before = 0;
  for_chunks(
      args.table,
      [&](const TableTask& task, int64_t) NAMP_LONG_LAMBDA {
        if (task.cells[args.columns.gradient].data == nullptr) return;
        if (task.group != group || task.step != before) {
          group = task.group;
          before = task.step;
          // The previous chunk no longer uses the old ones.
          if (thread_index() == 0) {
            constants = update_constants<Rule>(groups[group], next_step(before),
                                               start.inverse_scale, start.clip);
            states = Rule::states(groups[group]);
          }
          barrier();
        }
        update_chunk_of<Rule, kCompact>(states, args, task, numbers, constants, start.step);
      },
      args.steps);
  // Every block has read the state and the counts by now.
  if (!is_last_block(args.ticket)) return;
  for (int64_t tensor = thread_index(); tensor < args.table.tensor_count;
       tensor += block_threads()) {
    if (args.table.cell(tensor, args.columns.gradient).data != nullptr)
      args.steps[tensor] = next_step(args.steps[tensor]);
  }
  if (thread_index() == 0) {
    state.clip_coefficient = start.clip;
    if (args.advance_step != 0) state.step = start.step;
  }
}

}  // namespace

#define NAMP_UPDATE_KERNEL(name, Rule, VALUE)                                           \
  NAMP_KERNEL(kOptimizerThreads, optimizer_blocks(Rule::kMaxStates))                    \
  name##_kernel(const OptimizerArgs args) { update_table<Rule, false>(args, nullptr); } \
  NAMP_KERNEL(kOptimizerThreads, compact_optimizer_blocks(kHasLayouts<Rule>))           \
  name##_compact_kernel(const OptimizerArgs args) {                                     \
    __shared__ BlockNumbers numbers;                                                    \
    update_table<Rule, true>(args, &numbers);                                           \
  }
NAMP_FOR_EACH_RULE(NAMP_UPDATE_KERNEL)

}  // namespace namp::cuda
