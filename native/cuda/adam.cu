// Family 4: FP32 Adam in one pass over gradients, parameters and moments, which also writes the
// half copies.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/random.cuh"
#include "cuda/reduce.cuh"
#include "cuda/table_task.cuh"
#include "cuda/view.cuh"
#include "formulas/adam.h"

namespace namp::cuda {
namespace {

// One chunk of one tensor. The constants are the thread's own: out of shared memory they would be
// fetched again for every pack.
template <bool kAmsgrad>
NAMP_DEVICE void adam_chunk(const AdamArgs& args, const TableTask& task, AdamConstants c,
                            int64_t step) {
  c.amsgrad = kAmsgrad;
  const Chunk chunk = task.chunk;
  const namp_adam_columns& columns = args.columns;
  const namp_cell gradient = task.cells[columns.gradient];
  const auto floats = [&](int32_t column) {
    return static_cast<float*>(task.cells[column].data) + chunk.begin;
  };
  float* parameter = floats(columns.parameter);
  float* exp_avg = floats(columns.exp_avg);
  float* exp_avg_sq = floats(columns.exp_avg_sq);
  float* max_exp_avg_sq = kAmsgrad ? floats(columns.max_exp_avg_sq) : nullptr;
  namp_cell half{};
  if (columns.half_copy >= 0) half = task.cells[columns.half_copy];
  const bool stochastic =
      args.half_copy_rounding == NAMP_ROUND_STOCHASTIC && half.dtype != NAMP_FLOAT32;
  const auto first_word = static_cast<uint64_t>(task.first_element + chunk.begin);
  const uint64_t seed = args.seed;

  const int peel =
      choose_peel(access(parameter), access(exp_avg), access(exp_avg_sq), access(max_exp_avg_sq),
                  access(gradient.data, gradient.dtype, chunk.begin),
                  access(half.data, half.dtype, chunk.begin));
  for_packs(chunk.count, peel, [&](int64_t i, auto part) {
    constexpr int kCount = decltype(part)::count;
    // The gradient last: converting it waits for it, and all loads should be under way by then.
    auto p = load(parameter + i, part);
    auto m = load(exp_avg + i, part);
    auto v = load(exp_avg_sq + i, part);
    Pack<kCount> largest_v{};
    if (kAmsgrad) largest_v = load(max_exp_avg_sq + i, part);
    const auto g = load_as(gradient.data, gradient.dtype, chunk.begin + i, part);
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      AdamElement<float> x{p.at[j], m.at[j], v.at[j], largest_v.at[j]};
      adam_step(x, g.at[j], c);
      p.at[j] = x.parameter;
      m.at[j] = x.exp_avg;
      v.at[j] = x.exp_avg_sq;
      largest_v.at[j] = x.max_exp_avg_sq;
    }
    store(p, parameter + i, part);
    store(m, exp_avg + i, part);
    store(v, exp_avg_sq + i, part);
    if (kAmsgrad) store(largest_v, max_exp_avg_sq + i, part);
    if (half.data == nullptr) return;
    if (stochastic) {
      const auto words = random_words(first_word + static_cast<uint64_t>(i),
                                      static_cast<uint64_t>(step), seed, part);
      store_stochastic_as(p, words.at, half.data, half.dtype, chunk.begin + i, part);
    } else {
      store_as(p, half.data, half.dtype, chunk.begin + i, part);
    }
  });
}

}  // namespace

NAMP_KERNEL(kAdamThreads) adam_step_kernel(const AdamArgs args) {
  __shared__ AdamConstants constants;
  __shared__ namp_adam_group few[kInlineGroups];
  namp_optimizer_state& state = *args.state;
  if (state.found_inf != 0) return;
  const int64_t step = next_step(state.step);
  const bool scaled = args.scaler != nullptr && state.unscaled == 0;
  const float inverse_scale = scaled ? args.scaler->inverse_scale : 1.0f;
  const float clip = clip_coefficient(args.max_norm, state.gradient_norm);
  // The groups that travelled with the launch, field by field: a pointer into its arguments, or a
  // copy of a struct of them, would have all of them in local memory.
  if (args.uploaded == nullptr) {
    for (int i = thread_index(); i < args.group_count; i += kAdamThreads) {
      few[i].learning_rate = args.groups[i].learning_rate;
      few[i].beta1 = args.groups[i].beta1;
      few[i].beta2 = args.groups[i].beta2;
      few[i].epsilon = args.groups[i].epsilon;
      few[i].weight_decay = args.groups[i].weight_decay;
      few[i].decoupled = args.groups[i].decoupled;
      few[i].amsgrad = args.groups[i].amsgrad;
      few[i].maximize = args.groups[i].maximize;
    }
  }
  const namp_adam_group* const groups = args.uploaded == nullptr ? few : args.uploaded;
  // Whose constants these are: a group's tensors are mostly updated together, and the block's next
  // chunk has the same.
  int32_t group = -1;
  int64_t before = 0;
  for_chunks(
      args.table,
      [&](const TableTask& task, int64_t) {
        if (task.cells[args.columns.gradient].data == nullptr) return;
        if (task.group != group || task.step != before) {
          group = task.group;
          before = task.step;
          // The chunk before is done with the old ones.
          if (thread_index() == 0) {
            constants = adam_constants(groups[group], next_step(before), inverse_scale, clip);
          }
          barrier();
        }
        constants.amsgrad ? adam_chunk<true>(args, task, constants, step)
                          : adam_chunk<false>(args, task, constants, step);
      },
      args.steps);
  // Every block has read the state and the counts by now.
  if (!is_last_block(args.ticket)) return;
  for (int64_t tensor = thread_index(); tensor < args.table.tensor_count; tensor += kAdamThreads) {
    if (args.table.cell(tensor, args.columns.gradient).data != nullptr)
      args.steps[tensor] = next_step(args.steps[tensor]);
  }
  if (thread_index() == 0) {
    state.clip_coefficient = clip;
    if (args.advance_step != 0) state.step = step;
  }
}

}  // namespace namp::cuda
