// Family 4: a step of any rule in one pass over gradients, parameters and state, which also writes
// the compute copies.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizer.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
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

// The compute copy of an updated parameter.
template <class T>
struct NearestCopy {
  T* out;
  template <class Extent>
  HWY_INLINE void operator()(Lane x, int64_t i, Extent part) const {
    store(x, out + i, part);
  }
};
// Bypasses the cache.
template <class T>
struct StreamedCopy {
  T* out;
  template <class Extent>
  HWY_INLINE void operator()(Lane x, int64_t i, Extent part) const {
    stream(x, out + i, part);
  }
};
struct NoCopy {
  template <class Extent>
  HWY_INLINE void operator()(Lane, int64_t, Extent) const {}
};

template <int kStates, class Gradient, class Rule, class Copy>
void update_run(const UpdateChunk& chunk, int64_t begin, int64_t count,
                const UpdateConstants<Rule>& constants, Copy copy) {
  constexpr int kArray = kStates > 0 ? kStates : 1;
  const Gradient* gradient = static_cast<const Gradient*>(chunk.gradient) + begin;
  float* parameter = chunk.parameter + begin;
  float* state[kArray];
  for (int k = 0; k < kStates; ++k)
    state[k] = chunk.state[k] + begin;
  const UpdateConstants<Rule> c = constants;
  for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
    Lane p = load(parameter + i, part);
    Lane s[kArray];
    for (int k = 0; k < kStates; ++k)
      s[k] = load(state[k] + i, part);
    update<kStates>(p, s, load(gradient + i, part), c);
    store(p, parameter + i, part);
    for (int k = 0; k < kStates; ++k)
      store(s[k], state[k] + i, part);
    copy(p, i, part);
  });
}

// Elements between an update and the second pass over them.
constexpr int64_t kCopyBlock = 256;

// Rare compute copies, by a second pass over parameters that are still in the first-level cache.
template <int kStates, class Gradient, class Rule, class Copy>
void update_and_copy(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants, Copy copy) {
  for (int64_t begin = 0; begin < chunk.count; begin += kCopyBlock) {
    const int64_t count = std::min(kCopyBlock, chunk.count - begin);
    update_run<kStates, Gradient>(chunk, begin, count, constants, NoCopy{});
    copy(begin, count);
  }
}

template <int kStates, class Gradient, class Rule>
void update_with_copy(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants,
                      const UpdateRandom& random) {
  with_element(chunk.copy_dtype, [&](auto copy_type) HWY_ATTR {
    using T = typename decltype(copy_type)::Type;
    T* out = static_cast<T*>(chunk.compute_copy);
    const float* parameter = chunk.parameter;
    if constexpr (std::is_same_v<T, float>) {
      update_and_copy<kStates, Gradient>(
          chunk, constants, [=](int64_t begin, int64_t count) HWY_ATTR {
            map(
                out + begin, count, [](Lane x) NAMP_LANES { return x; }, parameter + begin);
          });
    } else if (random.stochastic) {
      update_and_copy<kStates, Gradient>(
          chunk, constants, [&](int64_t begin, int64_t count) HWY_ATTR {
            uint32_t words[kCopyBlock + 8];
            fill_philox(words, random.first + static_cast<uint64_t>(begin), count, random.step,
                        random.seed);
            for_lanes(count, [&](int64_t i, auto part) NAMP_LANES {
              store_stochastic(load(parameter + begin + i, part), load_bits(words + i),
                               out + begin + i, part);
            });
          });
    } else if (chunk.streams && is_aligned_to_lane(out)) {
      update_run<kStates, Gradient>(chunk, 0, chunk.count, constants, StreamedCopy<T>{out});
      hwy::FlushStream();
    } else {
      update_run<kStates, Gradient>(chunk, 0, chunk.count, constants, NearestCopy<T>{out});
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
      if (chunk.compute_copy != nullptr) {
        update_with_copy<states.value, Gradient>(chunk, constants, random);
      } else {
        update_run<states.value, Gradient>(chunk, 0, chunk.count, constants, NoCopy{});
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
  for (int k = 0; k < states; ++k)
    c.state[k] = float_at(table, chunk, columns.state[k]);
  if (columns.compute_copy < 0) return c;
  const namp_cell& copy = table.cell(chunk.tensor, columns.compute_copy);
  c.copy_dtype = static_cast<namp_dtype>(copy.dtype);
  if (copy.data != nullptr) c.compute_copy = element(copy.data, c.copy_dtype, chunk.begin);
  return c;
}

}  // namespace

void CpuBackend::optimizer_step(const TableView& table, const namp_optimizer_args& args,
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
