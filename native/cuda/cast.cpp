// Launches of cast.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::cast(void* destination, namp_dtype destination_dtype, const void* source,
                       namp_dtype source_dtype, int64_t count, const namp_cast_options& options,
                       namp_stream stream) {
  launch(cuda::kCast, cuda::task_count(count),
         {destination, source, destination_dtype, source_dtype, count, options}, stream);
}

void CudaBackend::cast_table(const TableView& table, int32_t destination_column,
                             int32_t source_column, const namp_cast_options& options,
                             namp_stream stream) {
  launch(cuda::kCastTable, table.chunk_count, {table, destination_column, source_column, options},
         stream);
}

void CudaBackend::scale(void* destination, namp_dtype destination_dtype, const void* source,
                        namp_dtype source_dtype, int64_t count, const float* factor,
                        namp_stream stream) {
  namp_cast_options options{};
  options.scale = factor;
  cast(destination, destination_dtype, source, source_dtype, count, options, stream);
}

}  // namespace namp
