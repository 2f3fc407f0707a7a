// Family 4: a step of any rule in one pass over gradients, parameters and state, which also writes
// the compute copies.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/optimizer.cpp"
#include "cpu/simd_source.h"
#include "hwy/foreach_target.h"
#include "cpu/update_run-inl.h"

#include "cpu/cpu_backend.h"
#include "cpu/number_planes.h"
#include "cpu/streaming.h"
#include "cpu/update_chunk.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// Whether there is a loop for a chunk's dtypes: those of float32 parameters, and of training in
// bfloat16. Every combination would be hundreds of loops. The baseline, which few machines run, has
// the first alone.
inline constexpr bool kBFloat16Loops = HWY_TARGET != HWY_SCALAR;
bool has_loop(const UpdateChunk& chunk) {
  if (is_float8(chunk.gradient.dtype)) return false;
  if (chunk.parameter.dtype == NAMP_FLOAT32) return true;
  return kBFloat16Loops && chunk.parameter.dtype == NAMP_BFLOAT16 &&
         chunk.gradient.dtype == NAMP_BFLOAT16;
}

// That loop.
template <int kStates, class Rule>
void update_columns(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants, CopyStore how,
                    const UpdateRandom& random) {
  const auto with_states = [&](auto of) {
    using States = typename decltype(of)::Type;
    using OfBFloat16 [[maybe_unused]] = GradientsOf<BFloat16>;
    if (chunk.parameter.dtype == NAMP_FLOAT32) {
      const auto run = [&](auto gradients) {
        update_run<kStates, PlainParameters<float>, States, typename decltype(gradients)::Type>(
            chunk, constants, how, random);
      };
      // The loop that most steps take has one for each dtype.
      if constexpr (kBFloat16Loops && std::is_same_v<States, PlainStates<kStates, float>>) {
        with_element(chunk.gradient.dtype, [&](auto type) {
          run(ElementType<GradientsOf<typename decltype(type)::Type>>{});
        });
      } else {
        run(ElementType<AnyGradients>{});
      }
    } else if constexpr (kBFloat16Loops) {
      if (chunk.remainder != nullptr) {
        update_run<kStates, SplitParameters, States, OfBFloat16>(chunk, constants, how, random);
      } else {
        update_run<kStates, PlainParameters<BFloat16>, States, OfBFloat16>(chunk, constants, how,
                                                                           random);
      }
    }
  };
  if constexpr (kStates > 0) {
    if (has_only_states(chunk, NAMP_BFLOAT16))
      return with_states(ElementType<PlainStates<kStates, BFloat16>>{});
  }
  with_states(ElementType<PlainStates<kStates, float>>{});
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

template <class Body>
void with_parameters(const UpdateChunk& block, const RandomHalves* halves, Body&& body) {
  if (block.remainder != nullptr) return body(SplitParameters(block, halves));
  with_element(block.parameter.dtype, [&](auto type) {
    body(PlainParameters<typename decltype(type)::Type>(block, halves));
  });
}

// Decodes gradients of FP8.
void widen_gradients(const UpdateChunk& block, float* gradients) {
  with_float8_element(block.gradient.dtype, [&](auto type) HWY_ATTR {
    using Code = typename decltype(type)::Type;
    map(
        gradients, block.count,
        [scale = block.gradient_scale](Lane x)
            NAMP_LANES { return scaled_value<Code>(x, Lane(scale)); },
        static_cast<const Code*>(block.gradient.data));
  });
}

// Dtypes that have no loop: by blocks, whose gradients of FP8, and parameters if there is still none,
// become float32 in the first-level cache, with passes over the block before the update and after it.
template <int kStates, class Rule>
void update_widened(const UpdateChunk& chunk, const UpdateConstants<Rule>& constants, CopyStore how,
                    const UpdateRandom& random) {
  constexpr int64_t kBlock = NAMP_BLOCK_ELEMENTS;
  static_assert(kBlock <= RandomHalves::kMost);
  HWY_ALIGN float gradients[kBlock];
  HWY_ALIGN float values[kBlock];
  RandomHalves halves;
  for (int64_t begin = 0; begin < chunk.count; begin += kBlock) {
    const UpdateChunk block = part_of(chunk, begin, std::min(kBlock, chunk.count - begin));
    UpdateRandom of_block = random;
    of_block.first += static_cast<uint64_t>(begin);
    UpdateChunk wide = block;
    if (is_float8(block.gradient.dtype)) {
      widen_gradients(block, gradients);
      wide.gradient = {gradients, NAMP_FLOAT32};
      if (has_loop(wide)) {
        update_columns<kStates>(wide, constants, how, of_block);
        continue;
      }
    }
    wide.parameter = {values, NAMP_FLOAT32};
    wide.remainder = nullptr;
    with_parameters(block, nullptr, [&](const auto& parameter) HWY_ATTR {
      for_lanes(block.count, [&](int64_t i, auto part)
                                 NAMP_LANES { store(parameter.at(i, part), values + i, part); });
    });
    update_columns<kStates>(wide, constants, how, of_block);
    if (random.stochastic) halves.draw(of_block.first, 0, block.count, random.step, random.seed);
    with_parameters(block, random.stochastic ? &halves : nullptr,
                    [&](const auto& parameter) HWY_ATTR {
                      for_lanes(block.count, [&](int64_t i, auto part) NAMP_LANES {
                        parameter.put(load(values + i, part), i, part);
                      });
                    });
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
  with_states<Rule>(chunk.states, [&](auto states) HWY_ATTR {
    if (has_loop(chunk)) {
      update_columns<states.value>(chunk, constants, how, random);
    } else {
      update_widened<states.value>(chunk, constants, how, random);
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
  const bool planes = has_number_planes(simd_);
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
      pointers.number_planes = planes;
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
