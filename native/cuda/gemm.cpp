// Matrix multiplication: cuBLAS where it is there, our own kernels where it is not.
#include "cuda/cuda_backend.h"
#include "activation_facts.h"

namespace namp {
namespace {

// Whether a C in half precision between product and epilogue would round what is to be rounded
// once: a bias of another dtype or after beta C, and a GELU whose argument nobody keeps. ReLU
// commutes with rounding, and an argument that is kept is rounded by contract.
bool rounds_on_the_way(const namp_gemm_args& args) {
  if (args.c_dtype == NAMP_FLOAT32) return false;
  const bool gelu = is_gelu(args.activation);
  return (gelu && args.pre_activation == nullptr && args.activation_kept == nullptr) ||
         (args.bias != nullptr && (args.beta != 0.0f || args.bias_dtype != args.c_dtype));
}

// The kernels for tensor cores that know the dtype; null where there are none.
const cuda::TensorGemms* tensor_gemms(int32_t dtype, int capability) {
  if (dtype == NAMP_FLOAT32) return nullptr;
  if (capability >= cuda::kTensorCapability)
    return dtype == NAMP_FLOAT16 ? &cuda::kGemmFloat16 : &cuda::kGemmBFloat16;
  return dtype == NAMP_FLOAT16 ? &cuda::kGemmTuringFloat16 : nullptr;
}

constexpr int64_t kMostParts = 8;

int64_t parts_of_product(const namp_gemm_args& args) {
  if (args.batch > 1) return 1;
  return cuda::parts_along_k(
      cuda::blocks(args.m, cuda::kWideTile) * cuda::blocks(args.n, cuda::kWideTile), args.k,
      kMostParts);
}

// The parts of one product along k, as a batch whose C is still to be given.
namp_gemm_args cut_along_k(const namp_gemm_args& args, int64_t parts) {
  namp_gemm_args cut = args;
  cut.k = cuda::depth_of_parts(args.k, parts);
  cut.batch = cuda::blocks(args.k, cut.k);
  cut.stride_a = cut.k * (args.transpose_a != 0 ? args.lda : 1);
  cut.stride_b = cut.k * (args.transpose_b != 0 ? 1 : args.ldb);
  cut.c_dtype = NAMP_FLOAT32;
  cut.ldc = args.n;
  cut.stride_c = args.m * args.n;
  cut.beta = 0.0f;
  cut.bias = nullptr;
  cut.activation = NAMP_ACTIVATION_NONE;
  cut.pre_activation = nullptr;
  cut.activation_kept = nullptr;
  return cut;
}

}  // namespace

void CudaBackend::gemm(const namp_gemm_args& args, namp_stream stream) {
  multiply({args, 0}, stream);
}

void CudaBackend::multiply(const cuda::GemmArgs& gemm, namp_stream stream) {
  const cuda::ContextScope scope(context_);
  const namp_gemm_args& args = gemm.call;
  int64_t products = args.batch > 0 ? args.batch : 1;
  const int64_t elements = products * args.m * args.n;
  if (elements == 0) return;
  const int64_t pack_blocks =
      cuda::blocks(products * args.m * cuda::blocks(args.n, cuda::kPack), cuda::kElementThreads);

  if (rounds_on_the_way(args) && cublas_.is_there(workspaces())) {
    // cuBLAS leaves the product in float32, and the epilogue does the rest.
    auto* wide =
        static_cast<float*>(workspace(elements * static_cast<int64_t>(sizeof(float)), stream));
    namp_gemm_args product = args;
    product.c = wide;
    product.c_dtype = NAMP_FLOAT32;
    product.ldc = args.n;
    product.stride_c = args.m * args.n;
    if (cublas_.multiply(product, 0.0f, queue_of(stream), stream, workspaces())) {
      launch(cuda::kGemmEpilogue, pack_blocks, {args, gemm.bias_by_row, wide}, stream);
      return;
    }
  }
  cuda::GemmArgs rest = gemm;  // what cuBLAS leaves to do
  const bool starts_from_bias =
      args.bias != nullptr && args.beta == 0.0f && cublas_.is_there(workspaces());
  if (starts_from_bias) {
    // Most of cuBLAS's kernels then round once, bias and all. Some round the product first, and again
    // with the bias: seen on an H100, of 8 x 136 x 104.
    launch(cuda::kGemmBias, pack_blocks, gemm, stream);
    rest.call.bias = nullptr;
  }
  if (cublas_.multiply(args, starts_from_bias ? 1.0f : args.beta, queue_of(stream), stream,
                       workspaces())) {
    const namp_gemm_args& left = rest.call;
    if (left.bias != nullptr || left.pre_activation != nullptr ||
        left.activation != NAMP_ACTIVATION_NONE) {
      launch(cuda::kGemmEpilogue, pack_blocks, rest, stream);
    }
    return;
  }
  // The kernel without tensor cores has no code for a slope.
  const cuda::TensorGemms* const gemms = tensor_gemms(args.a_dtype, capability_);
  cuda::GemmArgs own = gemm;
  if (gemms == nullptr && args.activation_kept != nullptr) {
    own.call.activation_kept = nullptr;
    own.call.activation = NAMP_ACTIVATION_NONE;
  }
  const auto tiles = [&](int64_t tile) {
    return products * cuda::blocks(args.m, tile) * cuda::blocks(args.n, tile);
  };
  const int64_t parts = gemms == nullptr ? 1 : parts_of_product(args);
  if (parts > 1) {
    // Each part is a product of a batch, dense and in float32.
    own.call = cut_along_k(args, parts);
    own.whole_k = args.k;
    products = own.call.batch;
    own.call.c = workspaces().reserve(products * elements * static_cast<int64_t>(sizeof(float)),
                                      stream, Workspace::User::kSums);
  }
  const cuda::GemmKernel* kernel = &cuda::kGemm;
  if (gemms != nullptr) {
    const bool wide = tiles(cuda::kWideTile) >= launcher_.multiprocessors();
    kernel = &(wide ? gemms->wide : gemms->narrow)[args.transpose_a != 0][args.transpose_b != 0];
  }
  launch(kernel->kernel, tiles(kernel->tile), own, stream);
  if (parts > 1) {
    launch(cuda::kGemmEpilogue, pack_blocks,
           {args, gemm.bias_by_row, static_cast<const float*>(own.call.c), products}, stream);
    return;
  }
  if (own.call.activation_kept != args.activation_kept)
    launch(cuda::kGemmEpilogue, pack_blocks, gemm, stream);
}

}  // namespace namp
