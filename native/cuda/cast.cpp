// Launches of cast.cu and average.cu.
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

void CudaBackend::average_table(const TableView& table, int32_t average_column,
                                int32_t value_column, float weight, namp_stream stream) {
  constexpr cuda::Kernel<cuda::AverageArgs> kAverage{"average", "average_table_kernel",
                                                     cuda::kElementThreads};
  launch(kAverage, table.chunk_count, {table, average_column, value_column, weight}, stream);
}

}  // namespace namp
