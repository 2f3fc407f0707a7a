// Launches of cast.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::cast(const namp_cell& destination, const namp_cell& source, int64_t count,
                       const namp_cast_options& options, namp_stream stream) {
  launch(cuda::kCast, cuda::task_count(count), {destination, source, count, options}, stream);
}

void CudaBackend::cast_table(const TableView& table, int32_t destination_column,
                             int32_t source_column, const namp_cast_options& options,
                             namp_stream stream) {
  launch(cuda::kCastTable, table.chunk_count, {table, destination_column, source_column, options},
         stream);
}

}  // namespace namp
