// Launches of optimizer.cu: one for each step, for any number of tensors.
#include <algorithm>
#include <cstring>

#include "cuda/cuda_backend.h"
#include "lists/rules.h"
#include "optimizer_rows.h"

namespace namp {
namespace {

#define NAMP_UPDATE_KERNEL(name, Rule, VALUE)                                 \
  constexpr cuda::Kernel<cuda::OptimizerArgs> kernel_of(Rule, bool compact) { \
    return {"optimizer", compact ? #name "_compact_kernel" : #name "_kernel", \
            cuda::kOptimizerThreads};                                         \
  }
NAMP_FOR_EACH_RULE(NAMP_UPDATE_KERNEL)
#undef NAMP_UPDATE_KERNEL

}  // namespace

void CudaBackend::optimizer_step(const TableView& table, const namp_optimizer_args& args,
                                 bool compact, const namp_scaler_state* scaler,
                                 namp_optimizer_state* state, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  cuda::OptimizerArgs packed{};
  packed.table = table;
  packed.columns = args.columns;
  packed.group_count = args.group_count;
  packed.weight_rounding = args.weight_rounding;
  packed.max_norm = args.max_norm;
  packed.advance_step = args.advance_step;
  packed.seed = args.seed;
  packed.scaler = scaler;
  packed.state = state;
  packed.ticket = tickets_.of(stream_of(stream));
  packed.steps = args.steps;
  packed.row_count = std::max(args.row_count, 1);
  packed.first_step = args.first_step;
  const int64_t count = int64_t{packed.row_count} * args.group_count;
  if (args.rows != nullptr) {
    packed.rows = args.rows;
  } else if (count <= cuda::kInlineGroups) {
    std::memcpy(packed.groups, args.groups,
                static_cast<size_t>(count) * sizeof(namp_optimizer_group));
  } else {
    // In the stream's order, from a copy of the host's current values: a step that is still queued
    // keeps its own.
    refuse_capture(std::to_string(count) +
                   " rows of hyperparameters are copied from the host. Give args->rows.");
    const std::vector<char> image = rows_image(args);
    const auto bytes = static_cast<int64_t>(image.size());
    void* uploaded = workspace(bytes, stream);
    copy(uploaded, image.data(), bytes, NAMP_COPY_HOST_TO_DEVICE, stream);
    packed.rows = static_cast<const namp_optimizer_rows*>(uploaded);
  }
  with_rule(args.rule, [&](auto rule) {
    launch(kernel_of(rule, compact), std::max<int64_t>(1, table.chunk_count), packed, stream);
  });
}

}  // namespace namp
