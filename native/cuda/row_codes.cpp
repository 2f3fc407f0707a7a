// Launches of row_codes.cu.
#include "cuda/cuda_backend.h"

namespace namp {
namespace {

int64_t row_blocks(const namp_row_codes_args& args) {
  return cuda::blocks(args.rows * code_groups(args.width, args.group), cuda::kRowsPerBlock);
}

}  // namespace

void CudaBackend::quantize_rows(const namp_row_codes_args& args, namp_stream stream) {
  launch(cuda::kQuantizeRows, row_blocks(args), args, stream);
}

void CudaBackend::dequantize_rows(const namp_row_codes_args& args, namp_stream stream) {
  launch(cuda::kDequantizeRows, row_blocks(args), args, stream);
}

void CudaBackend::quantize_tensor(const namp_tensor_codes_args& args, namp_stream stream) {
  launch(cuda::kQuantizeTensor, cuda::task_count(args.count), args, stream);
}

}  // namespace namp
