// Launches of unscale_check.cu.
#include <algorithm>

#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::unscale_check(const TableView& table, int32_t gradient_column,
                                int32_t write_column, bool unscales,
                                const namp_scaler_state* scaler, namp_optimizer_state* state,
                                bool reset, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const cuda::UnscaleCheckArgs args{table,
                                    gradient_column,
                                    write_column,
                                    unscales ? 1 : 0,
                                    scaler,
                                    state,
                                    tickets_.of(stream_of(stream)),
                                    reset ? 1 : 0};
  // For an empty table the state is still written.
  launch(write_column < 0 ? cuda::kCheck : cuda::kUnscale, std::max<int64_t>(1, table.chunk_count),
         args, stream);
}

void CudaBackend::scaler_update(namp_scaler_state* scaler, namp_optimizer_state* const* states,
                                int32_t count, const namp_scaler_options& options,
                                namp_stream stream) {
  cuda::ScalerUpdateArgs packed{};
  packed.scaler = scaler;
  packed.options = options;
  packed.count = count;
  std::copy(states, states + count, packed.states);
  launch(cuda::kScalerUpdate, 1, packed, stream);
}

}  // namespace namp
