// The launch of touch.cu.
#include <algorithm>

#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::touch_table(uint32_t* checksum, const TableView& table, const int32_t* accesses,
                              namp_stream stream) {
  if (checksum != nullptr) fill(checksum, 0, sizeof(*checksum), stream);
  cuda::TouchArgs args{table, checksum, {}};
  std::copy(accesses, accesses + table.column_count, args.accesses);
  launch(cuda::kTouch, table.chunk_count, args, stream);
}

}  // namespace namp
