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
  if (gradient.data == nullptr) return;
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
  __shared__ AdamConstants constants[NAMP_ADAM_MAX_GROUPS];
  namp_optimizer_state& state = *args.state;
  if (state.found_inf != 0) return;
  const int64_t step = state.step + 1;
  const bool scaled = args.scaler != nullptr && state.unscaled == 0;
  const float inverse_scale = scaled ? args.scaler->inverse_scale : 1.0f;
  const float clip = clip_coefficient(args.max_norm, state.gradient_norm);
  for (int group = thread_index(); group < args.group_count; group += kAdamThreads) {
    constants[group] = adam_constants(args.groups[group], step, inverse_scale, clip);
  }
  barrier();
  for_chunks(args.table, [&](const TableTask& task, int64_t) {
    const AdamConstants& c = constants[task.group];
    c.amsgrad ? adam_chunk<true>(args, task, c, step) : adam_chunk<false>(args, task, c, step);
  });
  // Every block has read the state by now.
  if (is_last_block(args.ticket) && thread_index() == 0) {
    state.clip_coefficient = clip;
    if (args.advance_step != 0) state.step = step;
  }
}

}  // namespace namp::cuda
