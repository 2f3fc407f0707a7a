// Family 4: FP32 Adam in one pass over gradients, parameters and moments, which also writes the
// half copies.
#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/loop.cuh"
#include "cuda/random.cuh"
#include "cuda/reduce.cuh"
#include "formulas/adam.h"

namespace namp::cuda {
namespace {

// The half copy's store: rounded to nearest, or stochastically; none where out is null. Asked while
// running, for a variant of the whole loop costs more than the question.
template <class T>
struct HalfCopy {
  T* out;
  bool stochastic;
  uint64_t first;  // index among all elements of the table
  uint64_t step;
  uint64_t seed;

  template <class Part>
  NAMP_DEVICE void operator()(const Pack<Part::count>& x, int64_t i, Part part) const {
    if (out == nullptr) return;
    if (stochastic) {
      const auto words = random_words(first + static_cast<uint64_t>(i), step, seed, part);
      store_stochastic(x, words.at, out + i, part);
    } else {
      store(x, out + i, part);
    }
  }
};

struct AdamRun {
  float* parameter;
  float* exp_avg;
  float* exp_avg_sq;
  float* max_exp_avg_sq;  // null without amsgrad
  int64_t count;
};

template <class Gradient, class Half>
NAMP_DEVICE void adam_run(const AdamRun& run, const Gradient* gradient, const AdamConstants& c,
                          const HalfCopy<Half>& copy) {
  const int peel = choose_peel(run.parameter, run.exp_avg, run.exp_avg_sq, run.max_exp_avg_sq,
                               gradient, copy.out);
  for_packs(run.count, peel, [&](int64_t i, auto part) {
    constexpr int kCount = decltype(part)::count;
    const auto g = load(gradient + i, part);
    auto parameter = load(run.parameter + i, part);
    auto exp_avg = load(run.exp_avg + i, part);
    auto exp_avg_sq = load(run.exp_avg_sq + i, part);
    Pack<kCount> max_exp_avg_sq{};
    if (c.amsgrad) max_exp_avg_sq = load(run.max_exp_avg_sq + i, part);
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      AdamElement<float> x{parameter.at[j], exp_avg.at[j], exp_avg_sq.at[j], max_exp_avg_sq.at[j]};
      adam_step(x, g.at[j], c);
      parameter.at[j] = x.parameter;
      exp_avg.at[j] = x.exp_avg;
      exp_avg_sq.at[j] = x.exp_avg_sq;
      max_exp_avg_sq.at[j] = x.max_exp_avg_sq;
    }
    store(parameter, run.parameter + i, part);
    store(exp_avg, run.exp_avg + i, part);
    store(exp_avg_sq, run.exp_avg_sq + i, part);
    if (c.amsgrad) store(max_exp_avg_sq, run.max_exp_avg_sq + i, part);
    copy(parameter, i, part);
  });
}

NAMP_DEVICE void adam_chunk(const AdamArgs& args, const Chunk& chunk, const AdamConstants& c,
                            int64_t step) {
  const TableView& table = args.table;
  const namp_adam_columns& columns = args.columns;
  const namp_cell gradient = table.cell(chunk.tensor, columns.gradient);
  if (gradient.data == nullptr) return;
  const auto floats = [&](int32_t column) {
    return static_cast<float*>(table.cell(chunk.tensor, column).data) + chunk.begin;
  };
  const AdamRun run{floats(columns.parameter), floats(columns.exp_avg), floats(columns.exp_avg_sq),
                    c.amsgrad ? floats(columns.max_exp_avg_sq) : nullptr, chunk.count};
  namp_cell half{};
  if (columns.half_copy >= 0) half = table.cell(chunk.tensor, columns.half_copy);
  with_element(gradient.dtype, [&](auto gradient_type) {
    using Gradient = typename decltype(gradient_type)::Type;
    const Gradient* g = static_cast<const Gradient*>(gradient.data) + chunk.begin;
    with_element(half.dtype, [&](auto half_type) {
      using Half = typename decltype(half_type)::Type;
      const HalfCopy<Half> copy{
          half.data == nullptr ? nullptr : static_cast<Half*>(half.data) + chunk.begin,
          args.half_copy_rounding == NAMP_ROUND_STOCHASTIC,
          static_cast<uint64_t>(table.first_elements[chunk.tensor] + chunk.begin),
          static_cast<uint64_t>(step), args.seed};
      adam_run(run, g, c, copy);
    });
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
  const TableView& table = args.table;
  for (int64_t index = block_index(); index < table.chunk_count; index += block_count()) {
    const Chunk chunk = table.chunks[index];
    adam_chunk(args, chunk, constants[table.groups[chunk.tensor]], step);
  }
  // Every block has read the state by now.
  if (is_last_block(args.ticket) && thread_index() == 0) {
    state.clip_coefficient = clip;
    if (args.advance_step != 0) state.step = step;
  }
}

}  // namespace namp::cuda
