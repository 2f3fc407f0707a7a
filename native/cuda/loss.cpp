// Launches of loss.cu and element_loss.cu.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "formulas/loss.h"
#include "lists/losses.h"

namespace namp {
namespace {

cuda::Kernel<cuda::ElementLossArgs> kernel_of(int32_t kind) {
  switch (kind) {
#define NAMP_CASE(name, VALUE, Formula) \
  case VALUE:                           \
    return {"element_loss", #name "_kernel", cuda::kLossThreads};
    NAMP_FOR_EACH_ELEMENT_LOSS(NAMP_CASE)
#undef NAMP_CASE
  }
  throw Error(NAMP_ERROR_INTERNAL, "There is no such loss.");
}

}  // namespace

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
  const bool weighted = args.class_weights != nullptr || args.label_smoothing > 0;
  launch(weighted ? cuda::kCrossEntropyWeighted : cuda::kCrossEntropy,
         std::max<int64_t>(1, (args.rows + rows - 1) / rows), packed, stream);
}

void CudaBackend::element_loss(const namp_element_loss_args& args, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const int64_t chunks = std::max<int64_t>(1, (args.count + kChunkElements - 1) / kChunkElements);
  auto* sums =
      static_cast<double*>(workspace(chunks * static_cast<int64_t>(sizeof(double)), stream));
  launch(kernel_of(args.kind), chunks, {args, sums, tickets_.of(stream_of(stream))}, stream);
}

}  // namespace namp
