// Family 4: a step of any rule in one pass over gradients, parameters and state, which also writes
// the compute copies.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizer.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/block_code-inl.h"
#include "cpu/column-inl.h"
#include "cpu/random_words-inl.h"
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

// All of a chunk in one pass. Each column is a ColumnOf its type, or a Column of any. words are the
// random words of its elements if the copy takes them.
template <int kStates, class Parameters, class States, class Gradients, class Rule>
HWY_NOINLINE void update_run(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants,
                             CopyStore how, const RandomWords* words) {
  // Copies, which stores of the loop cannot change.
  const UpdateConstants<Rule> c = constants;
  const Gradients gradient(chunk.gradient);
  const Parameters parameter(chunk.parameter);
  const Column copy = chunk.compute_copy;
  const States state[] = {States(chunk.state[0]), States(chunk.state[1]), States(chunk.state[2])};
  static_assert(NAMP_MAX_STATE_COLUMNS == 3);
  for_lanes(chunk.count, [&](int64_t i, auto part) NAMP_LANES {
    if constexpr (std::is_same_v<decltype(part), Whole>) {
      prefetch(parameter, i);
      prefetch(gradient, i);
      for (int k = 0; k < kStates; ++k)
        prefetch(state[k], i);
    }
    Lane p = load(parameter, i, part);
    Lane s[NAMP_MAX_STATE_COLUMNS];
    for (int k = 0; k < kStates; ++k)
      s[k] = load(state[k], i, part);
    update<kStates>(p, s, load(gradient, i, part), c);
    store(p, parameter, i, part);
    for (int k = 0; k < kStates; ++k)
      store(s[k], state[k], i, part);
    switch (how) {
      case CopyStore::kNone:
        break;
      case CopyStore::kPlain:
        store(p, copy, i, part);
        break;
      case CopyStore::kPastCache:
        stream(p, copy, i, part);
        break;
      case CopyStore::kStochastic:
        store_stochastic(p, words->at(i), copy, i, part);
        break;
    }
  });
}

// The loop for a chunk's dtypes.
template <int kStates, class Rule>
void update_columns(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants, CopyStore how,
                    const RandomWords* words) {
  using Floats = ColumnOf<float>;
  const auto states_are = [&](int32_t dtype) {
    for (int k = 0; k < kStates; ++k) {
      if (chunk.state[k].dtype != dtype) return false;
    }
    return true;
  };
  const bool floats = states_are(NAMP_FLOAT32);
  if (!floats && !states_are(NAMP_BFLOAT16)) {
    return update_run<kStates, Column, Column, Column>(chunk, constants, how, words);
  }
  with_element(chunk.gradient.dtype, [&](auto type) HWY_ATTR {
    using Gradients = ColumnOf<typename decltype(type)::Type>;
    if (floats) {
      update_run<kStates, Floats, Floats, Gradients>(chunk, constants, how, words);
    } else if constexpr (kStates > 0) {
      update_run<kStates, Floats, ColumnOf<BFloat16>, Gradients>(chunk, constants, how, words);
    }
  });
}

// The part of a chunk from begin on. State in blocks keeps its scales: begin is where a block does.
UpdateChunk part_of(const UpdateChunk& chunk, int64_t begin, int64_t count) {
  UpdateChunk part = chunk;
  part.count = count;
  part.gradient = chunk.gradient.from(begin);
  part.parameter = chunk.parameter.from(begin);
  part.compute_copy = chunk.compute_copy.from(begin);
  for (int k = 0; k < chunk.states; ++k) {
    part.state[k] = chunk.state[k].from(begin);
    if (is_block_code(chunk.state[k].dtype)) part.state_scale[k] += begin / NAMP_BLOCK_ELEMENTS;
  }
  return part;
}

// State of 8-bit codes, and random words, by blocks that lie in the first-level cache: the codes
// are decoded before the one pass and encoded after it.
template <int kStates, class Rule>
void update_by_blocks(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants,
                      CopyStore how, const UpdateRandom& random) {
  constexpr int64_t kBlock = NAMP_BLOCK_ELEMENTS;
  HWY_ALIGN float decoded[kStates > 0 ? kStates : 1][kBlock];
  RandomWords words;
  static_assert(kBlock <= RandomWords::kMost);
  for (int64_t begin = 0; begin < chunk.count; begin += kBlock) {
    const UpdateChunk codes = part_of(chunk, begin, std::min(kBlock, chunk.count - begin));
    UpdateChunk block = codes;
    for (int k = 0; k < kStates; ++k) {
      if (!is_block_code(codes.state[k].dtype)) continue;
      block.state[k] = {decoded[k], NAMP_FLOAT32};
      decode_blocks(codes.state[k].dtype, codes.state[k].data, codes.state_scale[k], 0, codes.count,
                    decoded[k]);
    }
    if (how == CopyStore::kStochastic) {
      words.draw(random.first + static_cast<uint64_t>(begin), codes.count, random.step,
                 random.seed);
    }
    update_columns<kStates>(block, constants, how, &words);
    for (int k = 0; k < kStates; ++k) {
      if (!is_block_code(codes.state[k].dtype)) continue;
      encode_blocks(codes.state[k].dtype, decoded[k], 0, codes.count, codes.state[k].data,
                    codes.state_scale[k]);
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
  bool by_blocks = how == CopyStore::kStochastic;
  for (int k = 0; k < chunk.states; ++k)
    by_blocks = by_blocks || is_block_code(chunk.state[k].dtype);
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
  c.parameter = column_of(table, chunk, columns.parameter);
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

}  // namespace

void CpuBackend::optimizer_step(const TableView& table, const namp_optimizer_args& args, bool,
                                const namp_scaler_state* scaler, namp_optimizer_state* state,
                                namp_stream) {
  if (state->found_inf != 0) return;
  const StepStart start = step_start(*state, scaler, args.max_norm);
  state->clip_coefficient = start.clip;
  const bool streaming = streams(table);
  const namp_optimizer_group* const groups =
      args.groups + group_row(state->step, args.first_step, args.row_count) * args.group_count;
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
          args.copy_rounding == NAMP_ROUND_STOCHASTIC, args.seed, static_cast<uint64_t>(start.step),
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
