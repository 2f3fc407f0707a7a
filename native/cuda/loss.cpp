// Launches of loss.cu.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "formulas/loss.h"

namespace namp {

void CudaBackend::cross_entropy(const namp_cross_entropy_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  auto* weight =
      static_cast<cuda::LossWeight*>(workspace(static_cast<int64_t>(sizeof(cuda::LossWeight)) +
                                                   args.rows * static_cast<int64_t>(sizeof(float)),
                                               stream));
  const cuda::CrossEntropyArgs packed{args, weight, reinterpret_cast<float*>(weight + 1),
                                      tickets_.of(stream_of(stream))};
  launch(cuda::kCrossEntropyWeight, 1, packed, stream);
  const int64_t rows =
      int64_t{cuda::kLossThreads} * cuda::kPack / loss_lanes(args.classes);  // of a block
  // Without rows the loss is still written.
  launch(cuda::kCrossEntropy, std::max<int64_t>(1, (args.rows + rows - 1) / rows), packed, stream);
}

void CudaBackend::mse(const namp_mse_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const int64_t chunks = std::max<int64_t>(1, (args.count + kChunkElements - 1) / kChunkElements);
  auto* sums =
      static_cast<double*>(workspace(chunks * static_cast<int64_t>(sizeof(double)), stream));
  launch(cuda::kMse, chunks, {args, sums, tickets_.of(stream_of(stream))}, stream);
}

}  // namespace namp
