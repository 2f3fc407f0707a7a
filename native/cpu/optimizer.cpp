// Family 4: a step of any rule in one pass over gradients, parameters and state, which also writes
// the compute copies.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizer.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/block_code-inl.h"
#include "cpu/parameters-inl.h"
#include "formulas/rules/update.h"

#include "cpu/cpu_backend.h"
#include "cpu/streaming.h"
#include "cpu/update_chunk.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// How a run's compute copy is written.
enum class CopyStore { kNone, kPlain, kPastCache, kStochastic };

CopyStore copy_store(const UpdateChunk& chunk, bool stochastic) {
  const Column copy = chunk.compute_copy;
  if (copy.data == nullptr) return CopyStore::kNone;
  if (copy.dtype == NAMP_FLOAT32) return CopyStore::kPlain;
  if (stochastic) return CopyStore::kStochastic;
  const bool aligned = with_element(copy.dtype, [&](auto type) HWY_ATTR {
    return is_aligned_to_lane(static_cast<const typename decltype(type)::Type*>(copy.data));
  });
  return chunk.streams && aligned ? CopyStore::kPastCache : CopyStore::kPlain;
}

// Its dtype is tested for every lane: one branch beside the others' loads costs nothing that is seen,
// and there are four times fewer loops.
template <class Part>
HWY_INLINE void put_copy(Lane p, Column copy, CopyStore how, const RandomWords* words, int64_t i,
                         Part part) {
  if (how == CopyStore::kNone) return;
  with_element(copy.dtype, [&](auto type) NAMP_LANES {
    auto* out = static_cast<typename decltype(type)::Type*>(copy.data) + i;
    if (how == CopyStore::kStochastic) {
      store_stochastic(p, words->at(i), out, part);
    } else if (how == CopyStore::kPastCache) {
      stream(p, out, part);
    } else {
      store(p, out, part);
    }
  });
}

// All of a chunk in one pass. words are the random words of its elements if weights are rounded
// stochastically.
template <int kStates, class Parameters, class State, class Gradient, class Rule>
HWY_NOINLINE void update_run(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants,
                             CopyStore how, const RandomWords* words) {
  // Copies, which stores of the loop cannot change.
  const UpdateConstants<Rule> c = constants;
  const auto* gradient = static_cast<const Gradient*>(chunk.gradient.data);
  const Parameters parameter(chunk, words);
  const Column copy = chunk.compute_copy;
  State* state[NAMP_MAX_STATE_COLUMNS];
  for (int k = 0; k < kStates; ++k)
    state[k] = static_cast<State*>(chunk.state[k].data);
  for_lanes(chunk.count, [&](int64_t i, auto part) NAMP_LANES {
    if constexpr (std::is_same_v<decltype(part), Whole>) {
      parameter.ask(i);
      prefetch(gradient + i);
      for (int k = 0; k < kStates; ++k)
        prefetch(state[k] + i);
    }
    Lane p = parameter.at(i, part);
    Lane s[NAMP_MAX_STATE_COLUMNS];
    for (int k = 0; k < kStates; ++k)
      s[k] = load(state[k] + i, part);
    update<kStates>(p, s, load(gradient + i, part), c);
    parameter.put(p, i, part);
    for (int k = 0; k < kStates; ++k)
      store(s[k], state[k] + i, part);
    put_copy(p, copy, how, words, i, part);
  });
}

// The dtype of all states; NAMP_DTYPE_NONE if they differ.
int32_t state_dtype(const UpdateChunk& chunk) {
  int32_t dtype = chunk.states > 0 ? chunk.state[0].dtype : int32_t{NAMP_FLOAT32};
  for (int k = 1; k < chunk.states; ++k) {
    if (chunk.state[k].dtype != dtype) dtype = NAMP_DTYPE_NONE;
  }
  return dtype;
}

// Whether there is a loop for a chunk's dtypes: those of float32 parameters, and of training in
// bfloat16. Every combination would be hundreds of loops.
bool has_loop(const UpdateChunk& chunk) {
  if (is_float8(chunk.gradient.dtype)) return false;
  const int32_t states = state_dtype(chunk);
  if (states != NAMP_FLOAT32 && states != NAMP_BFLOAT16) return false;
  if (chunk.parameter.dtype == NAMP_FLOAT32) return true;
  return chunk.parameter.dtype == NAMP_BFLOAT16 && chunk.gradient.dtype == NAMP_BFLOAT16;
}

// That loop.
template <int kStates, class Rule>
void update_columns(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants, CopyStore how,
                    const RandomWords* words) {
  const auto with_state = [&](auto state_type) {
    using State = typename decltype(state_type)::Type;
    if (chunk.parameter.dtype == NAMP_FLOAT32) {
      with_element(chunk.gradient.dtype, [&](auto type) {
        update_run<kStates, PlainParameters<float>, State, typename decltype(type)::Type>(
            chunk, constants, how, words);
      });
    } else if (chunk.remainder != nullptr) {
      update_run<kStates, SplitParameters, State, BFloat16>(chunk, constants, how, words);
    } else {
      update_run<kStates, PlainParameters<BFloat16>, State, BFloat16>(chunk, constants, how, words);
    }
  };
  if constexpr (kStates > 0) {
    if (state_dtype(chunk) == NAMP_BFLOAT16) return with_state(ElementType<BFloat16>{});
  }
  with_state(ElementType<float>{});
}

// The part of a chunk from begin on, where a block of codes begins.
UpdateChunk part_of(const UpdateChunk& chunk, int64_t begin, int64_t count) {
  UpdateChunk part = chunk;
  part.count = count;
  part.gradient = chunk.gradient.from(begin);
  part.parameter = chunk.parameter.from(begin);
  if (chunk.remainder != nullptr) part.remainder += begin;
  part.compute_copy = chunk.compute_copy.from(begin);
  for (int k = 0; k < chunk.states; ++k) {
    part.state[k] = chunk.state[k].from(begin);
    if (is_block_code(chunk.state[k].dtype)) part.state_scale[k] += begin / NAMP_BLOCK_ELEMENTS;
  }
  return part;
}

// A block of a chunk in float32, in the first-level cache: of dtypes that have no loop, with passes
// over the block before the update and after it.
class WideBlock {
 public:
  // Loads what is not float32 yet: gradients of FP8, and the rest unless there is a loop for it.
  HWY_NOINLINE const UpdateChunk& widen(const UpdateChunk& block) {
    wide_ = block;
    if (is_float8(block.gradient.dtype)) {
      wide_.gradient = {gradients_, NAMP_FLOAT32};
      const float scale = block.gradient_scale;
      with_float8_element(block.gradient.dtype, [&](auto type) HWY_ATTR {
        using Code = typename decltype(type)::Type;
        map(
            gradients_, block.count,
            [=](Lane x) NAMP_LANES { return scaled_value<Code>(x, Lane(scale)); },
            static_cast<const Code*>(block.gradient.data));
      });
      if (has_loop(wide_)) return wide_;
    }
    if (block.parameter.dtype != NAMP_FLOAT32) {
      wide_.parameter = {parameters_, NAMP_FLOAT32};
      wide_.remainder = nullptr;
      with_parameters(block, nullptr, [&](const auto& parameter) HWY_ATTR {
        for_lanes(block.count, [&](int64_t i, auto part) NAMP_LANES {
          store(parameter.at(i, part), parameters_ + i, part);
        });
      });
    }
    for (int k = 0; k < block.states; ++k) {
      const int32_t dtype = block.state[k].dtype;
      if (dtype == NAMP_FLOAT32) continue;
      wide_.state[k] = {states_[k], NAMP_FLOAT32};
      if (is_block_code(dtype)) {
        decode_blocks(dtype, block.state[k].data, block.state_scale[k], 0, block.count, states_[k]);
      } else {
        map(
            states_[k], block.count, [](Lane x) NAMP_LANES { return x; },
            static_cast<const BFloat16*>(block.state[k].data));
      }
    }
    return wide_;
  }

  // Stores it again.
  HWY_NOINLINE void narrow(const UpdateChunk& block, const RandomWords* words) const {
    if (wide_.parameter.data != block.parameter.data) {
      with_parameters(block, words, [&](const auto& parameter) HWY_ATTR {
        for_lanes(block.count, [&](int64_t i, auto part) NAMP_LANES {
          parameter.put(load(parameters_ + i, part), i, part);
        });
      });
    }
    for (int k = 0; k < block.states; ++k) {
      const int32_t dtype = block.state[k].dtype;
      if (wide_.state[k].data == block.state[k].data) continue;
      if (is_block_code(dtype)) {
        encode_blocks(dtype, states_[k], 0, block.count, block.state[k].data, block.state_scale[k]);
      } else {
        map(
            static_cast<BFloat16*>(block.state[k].data), block.count,
            [](Lane x) NAMP_LANES { return x; }, static_cast<const float*>(states_[k]));
      }
    }
  }

 private:
  template <class Body>
  static void with_parameters(const UpdateChunk& block, const RandomWords* words, Body&& body) {
    if (block.remainder != nullptr) return body(SplitParameters(block, words));
    with_element(block.parameter.dtype, [&](auto type) {
      body(PlainParameters<typename decltype(type)::Type>(block, words));
    });
  }

  UpdateChunk wide_;
  HWY_ALIGN float gradients_[NAMP_BLOCK_ELEMENTS];
  HWY_ALIGN float parameters_[NAMP_BLOCK_ELEMENTS];
  HWY_ALIGN float states_[NAMP_MAX_STATE_COLUMNS][NAMP_BLOCK_ELEMENTS];
};

// By blocks: dtypes that have no loop, and stochastic rounding.
template <int kStates, class Rule>
void update_by_blocks(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants,
                      CopyStore how, const UpdateRandom& random) {
  constexpr int64_t kBlock = NAMP_BLOCK_ELEMENTS;
  static_assert(kBlock <= RandomWords::kMost);
  const bool widens = !has_loop(chunk);
  WideBlock wide;
  RandomWords drawn;
  const RandomWords* const words = random.stochastic ? &drawn : nullptr;
  for (int64_t begin = 0; begin < chunk.count; begin += kBlock) {
    const UpdateChunk block = part_of(chunk, begin, std::min(kBlock, chunk.count - begin));
    if (random.stochastic) {
      drawn.draw(random.first + static_cast<uint64_t>(begin), block.count, random.step,
                 random.seed);
    }
    if (widens) {
      update_columns<kStates>(wide.widen(block), constants, how, words);
      wide.narrow(block, words);
    } else {
      update_columns<kStates>(block, constants, how, words);
    }
  }
}

// Calls body with the number of columns of state of the tensor's group, as an integral constant.
template <class Rule, int kStates = Rule::kMinStates, class Body>
HWY_INLINE void with_states(int states, Body&& body) {
  if constexpr (kStates < Rule::kMaxStates) {
    if (states != kStates) return with_states<Rule, kStates + 1>(states, body);
  }
  body(std::integral_constant<int, kStates>{});
}

template <class Rule>
void update_chunk(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants,
                  const UpdateRandom& random) {
  const CopyStore how = copy_store(chunk, random.stochastic);
  const bool by_blocks = random.stochastic || !has_loop(chunk);
  with_states<Rule>(chunk.states, [&](auto states) HWY_ATTR {
    if (by_blocks) {
      update_by_blocks<states.value>(chunk, constants, how, random);
    } else {
      update_columns<states.value>(chunk, constants, how, nullptr);
    }
  });
  if (how == CopyStore::kPastCache) hwy::FlushStream();
}

#define NAMP_UPDATE(name, Rule, VALUE)                                                 \
  void name##_update(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants, \
                     const UpdateRandom& random) {                                     \
    update_chunk<Rule>(chunk, constants, random);                                      \
  }
NAMP_FOR_EACH_RULE(NAMP_UPDATE)
#undef NAMP_UPDATE

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace namp {
namespace {

#define NAMP_UPDATE_TABLE(name, Rule, VALUE) \
  NAMP_SIMD_TABLE(name##_update);            \
  auto update_of(Rule, namp_simd simd) { return name##_update_by_simd(simd); }
NAMP_FOR_EACH_RULE(NAMP_UPDATE_TABLE)
#undef NAMP_UPDATE_TABLE

Column column_of(const TableView& table, const Chunk& chunk, int32_t column) {
  const namp_cell& cell = table.cell(chunk.tensor, column);
  return Column{cell.data, cell.dtype}.from(chunk.begin);
}

// A tensor's constants. They are computed anew if its group or its count differs from those of the
// tensor before. That is rare: a group's tensors are adjacent and mostly updated together.
template <class Rule>
class LastConstants {
 public:
  template <class Make>
  const UpdateConstants<Rule>& of(int32_t group, int64_t step, Make&& make) {
    if (group != group_ || step != step_) {
      constants_ = make(group, step);
      group_ = group;
      step_ = step;
    }
    return constants_;
  }

 private:
  int32_t group_ = -1;
  int64_t step_ = 0;
  UpdateConstants<Rule> constants_{};
};

// gradient is null if the tensor is left out.
UpdateChunk chunk_of(const TableView& table, const Chunk& chunk, int states,
                     const namp_optimizer_columns& columns) {
  UpdateChunk c{};
  c.count = chunk.count;
  c.gradient = column_of(table, chunk, columns.gradient);
  if (c.gradient.data == nullptr) return c;
  c.gradient_scale = scale_or_one(table.cell(chunk.tensor, columns.gradient));
  c.parameter = column_of(table, chunk, columns.parameter);
  if (columns.remainder >= 0) {
    const Column remainder = column_of(table, chunk, columns.remainder);
    c.remainder = static_cast<int16_t*>(remainder.data);
  }
  c.states = states;
  for (int k = 0; k < states; ++k) {
    c.state[k] = column_of(table, chunk, columns.state[k]);
    // The wall's rule: where a tensor's codes are written its scales are.
    auto* scale = const_cast<float*>(table.cell(chunk.tensor, columns.state[k]).scale);
    if (scale != nullptr) c.state_scale[k] = scale + chunk.begin / NAMP_BLOCK_ELEMENTS;
  }
  if (columns.compute_copy >= 0) c.compute_copy = column_of(table, chunk, columns.compute_copy);
  return c;
}

// Whether the step narrows a parameter or its compute copy.
bool rounds_weights(const UpdateChunk& chunk) {
  const bool copies = chunk.compute_copy.data != nullptr;
  return (copies && chunk.compute_copy.dtype != NAMP_FLOAT32) ||
         (chunk.parameter.dtype != NAMP_FLOAT32 && chunk.remainder == nullptr);
}

}  // namespace

void CpuBackend::optimizer_step(const TableView& table, const namp_optimizer_args& args, bool,
                                const namp_scaler_state* scaler, namp_optimizer_state* state,
                                namp_stream) {
  if (state->found_inf != 0) return;
  const StepStart start = step_start(*state, scaler, args.max_norm);
  state->clip_coefficient = start.clip;
  const bool streaming = streams(table);
  const namp_optimizer_rows* const rows = args.rows;
  const namp_optimizer_group* const groups =
      rows == nullptr
          ? args.groups + group_row(state->step, args.first_step, args.row_count) * args.group_count
          : groups_of(*rows) +
                group_row(state->step, rows->first_step, rows->row_count) * args.group_count;
  with_rule(args.rule, [&](auto rule) {
    using Rule = decltype(rule);
    const auto kernel = update_of(rule, simd_);
    const auto update_chunk = [&](const Chunk& chunk, LastConstants<Rule>& last) {
      const int32_t group = table.groups[chunk.tensor];
      UpdateChunk pointers = chunk_of(table, chunk, Rule::states(groups[group]), args.columns);
      if (pointers.gradient.data == nullptr) return;
      pointers.streams = streaming;
      const UpdateConstants<Rule>& constants =
          last.of(group, args.steps[chunk.tensor], [&](int32_t of_group, int64_t before) {
            return update_constants<Rule>(groups[of_group], next_step(before), start.inverse_scale,
                                          start.clip);
          });
      const UpdateRandom random{
          args.weight_rounding == NAMP_ROUND_STOCHASTIC && rounds_weights(pointers), args.seed,
          static_cast<uint64_t>(start.step),
          static_cast<uint64_t>(table.first_elements[chunk.tensor] + chunk.begin)};
      kernel(pointers, constants, random);
    };
    threads_.split(table.chunk_count, [&](int64_t, int64_t begin, int64_t end) {
      LastConstants<Rule> last;
      for (int64_t index = begin; index < end; ++index)
        update_chunk(table.chunks[index], last);
    });
  });
  // Only now: every chunk of a tensor needs the old count.
  for (int64_t tensor = 0; tensor < table.tensor_count; ++tensor) {
    if (table.cell(tensor, args.columns.gradient).data != nullptr)
      args.steps[tensor] = next_step(args.steps[tensor]);
  }
  if (args.advance_step != 0) state->step = start.step;
}

}  // namespace namp
#endif
