// Launches of row_codes.cu.
#include "cuda/cuda_backend.h"

namespace namp {

void CudaBackend::quantize_rows(const namp_row_codes_args& args, namp_stream stream) {
  launch(cuda::kQuantizeRows, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::dequantize_rows(const namp_row_codes_args& args, namp_stream stream) {
  launch(cuda::kDequantizeRows, cuda::blocks(args.rows, cuda::kRowsPerBlock), args, stream);
}

void CudaBackend::quantize_tensor(const namp_tensor_codes_args& args, namp_stream stream) {
  launch(cuda::kQuantizeTensor, cuda::task_count(args.count), args, stream);
}

}  // namespace namp
