// Family 4: a step of any rule in one pass over gradients, parameters and state, which also writes
// the compute copies.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizer.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/block_code-inl.h"
#include "cpu/loop-inl.h"
#include "formulas/rules/update.h"

#include "cpu/cpu_backend.h"
#include "cpu/element.h"
#include "cpu/streaming.h"
#include "cpu/update_chunk.h"
#include "formulas/philox.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The compute copy of an updated parameter, past the cache if kStreams.
template <class T, bool kStreams>
struct NearestCopy {
  T* out;
  template <class Extent>
  HWY_INLINE void operator()(Lane x, int64_t i, Extent part) const {
    if constexpr (kStreams) {
      stream(x, out + i, part);
    } else {
      store(x, out + i, part);
    }
  }
};
struct NoCopy {
  template <class Extent>
  HWY_INLINE void operator()(Lane, int64_t, Extent) const {}
};

// Elements of a chunk from begin on; state is that of the first of them.
template <int kStates, class Gradient, class Rule, class Copy>
void update_run(const UpdateChunk& chunk, int64_t begin, int64_t count, float* const* state,
                const UpdateConstants<Rule>& constants, Copy copy) {
  constexpr int kArray = kStates > 0 ? kStates : 1;
  const Gradient* gradient = static_cast<const Gradient*>(chunk.gradient) + begin;
  float* parameter = chunk.parameter + begin;
  float* of[kArray];
  for (int k = 0; k < kStates; ++k)
    of[k] = state[k];
  const UpdateConstants<Rule> c = constants;
  for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
    Lane p = load(parameter + i, part);
    Lane s[kArray];
    for (int k = 0; k < kStates; ++k)
      s[k] = load(of[k] + i, part);
    update<kStates>(p, s, load(gradient + i, part), c);
    store(p, parameter + i, part);
    for (int k = 0; k < kStates; ++k)
      store(s[k], of[k] + i, part);
    copy(p, i, part);
  });
}

// Elements between an update and further passes over them: they are still in the first-level cache
// then. The blocks of 8-bit codes.
constexpr int64_t kBlock = NAMP_BLOCK_ELEMENTS;

// The state of a block in float32: in place, or decoded.
class BlockState {
 public:
  BlockState(const UpdateChunk& chunk, int64_t begin, int64_t count)
      : chunk_(chunk), begin_(begin), count_(count) {
    for (int k = 0; k < chunk.states; ++k) {
      if (chunk.state_dtype[k] == NAMP_FLOAT32) {
        at_[k] = static_cast<float*>(chunk.state[k]) + begin;
        continue;
      }
      at_[k] = decoded_[k];
      if (is_block_code(chunk.state_dtype[k])) {
        decode_blocks(chunk.state_dtype[k], chunk.state[k], chunk.state_scale[k], begin, count,
                      at_[k]);
      } else {
        const BFloat16* from = static_cast<const BFloat16*>(chunk.state[k]) + begin;
        map(
            at_[k], count, [](Lane x) NAMP_LANES { return x; }, from);
      }
    }
  }

  float* const* at() const { return at_; }

  void store_back() {
    for (int k = 0; k < chunk_.states; ++k) {
      if (is_block_code(chunk_.state_dtype[k])) {
        encode_blocks(chunk_.state_dtype[k], at_[k], begin_, count_, chunk_.state[k],
                      chunk_.state_scale[k]);
      } else if (chunk_.state_dtype[k] == NAMP_BFLOAT16) {
        BFloat16* to = static_cast<BFloat16*>(chunk_.state[k]) + begin_;
        map(
            to, count_, [](Lane x) NAMP_LANES { return x; }, static_cast<const float*>(at_[k]));
      }
    }
  }

 private:
  const UpdateChunk& chunk_;
  int64_t begin_;
  int64_t count_;
  float* at_[NAMP_MAX_STATE_COLUMNS];
  HWY_ALIGN float decoded_[NAMP_MAX_STATE_COLUMNS][kBlock];
};

// The compute copy of a block that is in the cache.
void copy_block(const UpdateChunk& chunk, int64_t begin, int64_t count,
                const UpdateRandom& random) {
  const float* parameter = chunk.parameter + begin;
  with_element(chunk.copy_dtype, [&](auto copy_type) HWY_ATTR {
    using T = typename decltype(copy_type)::Type;
    T* out = static_cast<T*>(chunk.compute_copy) + begin;
    if (std::is_same_v<T, float> || !random.stochastic) {
      map_streaming(
          chunk.streams, out, count, [](Lane x) NAMP_LANES { return x; }, parameter);
      return;
    }
    uint32_t words[kBlock + 8];
    fill_philox(words, random.first + static_cast<uint64_t>(begin), count, random.step,
                random.seed);
    for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
      store_stochastic(load(parameter + i, part), load_bits(words + i), out + i, part);
    });
  });
}

// Compact states and rare compute copies, by passes over blocks in the cache.
template <int kStates, class Gradient, class Rule>
void update_by_blocks(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants,
                      const UpdateRandom& random) {
  for (int64_t begin = 0; begin < chunk.count; begin += kBlock) {
    const int64_t count = std::min(kBlock, chunk.count - begin);
    BlockState state(chunk, begin, count);
    update_run<kStates, Gradient>(chunk, begin, count, state.at(), constants, NoCopy{});
    state.store_back();
    if (chunk.compute_copy != nullptr) copy_block(chunk, begin, count, random);
  }
}

// All in one pass.
template <int kStates, class Gradient, class Rule, class Copy>
void update_at_once(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants, Copy copy) {
  float* state[NAMP_MAX_STATE_COLUMNS];
  for (int k = 0; k < kStates; ++k)
    state[k] = static_cast<float*>(chunk.state[k]);
  update_run<kStates, Gradient>(chunk, 0, chunk.count, state, constants, copy);
}

template <int kStates, class Gradient, class Rule>
void update_with_copy(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants) {
  with_element(chunk.copy_dtype, [&](auto copy_type) HWY_ATTR {
    using T = typename decltype(copy_type)::Type;
    T* out = static_cast<T*>(chunk.compute_copy);
    if constexpr (!std::is_same_v<T, float>) {
      if (chunk.streams && is_aligned_to_lane(out)) {
        update_at_once<kStates, Gradient>(chunk, constants, NearestCopy<T, true>{out});
        hwy::FlushStream();
      } else {
        update_at_once<kStates, Gradient>(chunk, constants, NearestCopy<T, false>{out});
      }
    }
  });
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
  with_states<Rule>(chunk.states, [&](auto states) HWY_ATTR {
    with_element(chunk.gradient_dtype, [&](auto gradient_type) HWY_ATTR {
      using Gradient = typename decltype(gradient_type)::Type;
      const bool copies = chunk.compute_copy != nullptr;
      // A float32 copy is rare, and a stochastic one takes random words of a block.
      const bool rare_copy = copies && (random.stochastic || chunk.copy_dtype == NAMP_FLOAT32);
      if (chunk.compact_state || rare_copy) {
        update_by_blocks<states.value, Gradient>(chunk, constants, random);
      } else if (copies) {
        update_with_copy<states.value, Gradient>(chunk, constants);
      } else {
        update_at_once<states.value, Gradient>(chunk, constants, NoCopy{});
      }
    });
  });
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

float* float_at(const TableView& table, const Chunk& chunk, int32_t column) {
  return static_cast<float*>(table.cell(chunk.tensor, column).data) + chunk.begin;
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
  const namp_cell& gradient = table.cell(chunk.tensor, columns.gradient);
  if (gradient.data == nullptr) return c;
  c.gradient_dtype = static_cast<namp_dtype>(gradient.dtype);
  c.gradient = element(static_cast<const void*>(gradient.data), c.gradient_dtype, chunk.begin);
  c.parameter = float_at(table, chunk, columns.parameter);
  c.states = states;
  for (int k = 0; k < states; ++k) {
    const namp_cell& state = table.cell(chunk.tensor, columns.state[k]);
    c.state_dtype[k] = static_cast<namp_dtype>(state.dtype);
    c.state[k] = element(state.data, c.state_dtype[k], chunk.begin);
    // The wall's rule: where a tensor's codes are written its scales are.
    if (state.scale != nullptr)
      c.state_scale[k] = const_cast<float*>(state.scale) + chunk.begin / NAMP_BLOCK_ELEMENTS;
    c.compact_state |= state.dtype != NAMP_FLOAT32;
  }
  if (columns.compute_copy < 0) return c;
  const namp_cell& copy = table.cell(chunk.tensor, columns.compute_copy);
  c.copy_dtype = static_cast<namp_dtype>(copy.dtype);
  if (copy.data != nullptr) c.compute_copy = element(copy.data, c.copy_dtype, chunk.begin);
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
      if (pointers.gradient == nullptr) return;
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
