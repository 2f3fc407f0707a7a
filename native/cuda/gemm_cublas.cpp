// Products by cuBLAS, and launches for what it has no epilogue for.
#include <optional>

#include "activation_facts.h"
#include "cuda/cuda_backend.h"

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

// Whether cuBLASLt may add the bias: there is one in C's dtype, or one that can be made so, by columns,
// and a GELU that needs the sum unrounded does not follow.
bool is_with_bias(const cuda::GemmArgs& gemm) {
  const namp_gemm_args& args = gemm.call;
  const bool unrounded =
      args.c_dtype != NAMP_FLOAT32 && is_gelu(args.activation) && args.pre_activation == nullptr;
  return args.bias != nullptr && gemm.bias_by_row == 0 && args.batch <= 1 && !unrounded &&
         (args.bias_dtype == args.c_dtype || args.c_dtype == NAMP_FLOAT32);
}

// The epilogue of a GELU or its gradient, where cuBLASLt may make it: of the tanh, in half precision, of
// rows as it wants those of the argument.
std::optional<cuda::LtEpilogue> gelu_epilogue(const cuda::GemmArgs& gemm) {
  using cuda::LtEpilogue;
  const namp_gemm_args& args = gemm.call;
  const void* const kept =
      args.activation_kept != nullptr ? args.activation_kept : args.pre_activation;
  const bool is_it = args.activation == NAMP_ACTIVATION_GELU_TANH && args.batch <= 1 &&
                     args.c_dtype != NAMP_FLOAT32;
  const bool has_bias = args.bias != nullptr;
  const bool fits = (kept == nullptr || (cuda::address(kept) % 16 == 0 && args.ldc % 8 == 0)) &&
                    (!has_bias || (gemm.bias_by_row == 0 && args.bias_dtype == args.c_dtype));
  if (!is_it || !fits) return std::nullopt;
  if (args.activation_kept != nullptr) return LtEpilogue::kGeluSlope;
  if (kept != nullptr) return has_bias ? LtEpilogue::kGeluKeptBias : LtEpilogue::kGeluKept;
  return has_bias ? LtEpilogue::kGeluBias : LtEpilogue::kGelu;
}

bool is_followed(const namp_gemm_args& args) {
  return args.bias != nullptr || args.pre_activation != nullptr ||
         args.activation != NAMP_ACTIVATION_NONE;
}

}  // namespace

bool CudaBackend::multiply_with_bias(const cuda::GemmArgs& gemm, namp_stream stream) {
  const namp_gemm_args& args = gemm.call;
  namp_gemm_args product = args;
  // An activation's input that is kept is the product, and one pass makes the output of it.
  const bool kept = args.pre_activation != nullptr && args.activation != NAMP_ACTIVATION_NONE &&
                    args.beta == 0.0f && args.ldc == args.n;
  if (kept) product.c = args.pre_activation;
  if (args.bias_dtype != args.c_dtype) {
    // A row of float32 for C: less than a pass over C that adds the bias.
    product.bias = workspace(args.n * static_cast<int64_t>(sizeof(float)), stream);
    product.bias_dtype = NAMP_FLOAT32;
    namp_cell from{};
    from.data = const_cast<void*>(args.bias);
    from.dtype = args.bias_dtype;
    namp_cell to{};
    to.data = const_cast<void*>(product.bias);
    to.dtype = NAMP_FLOAT32;
    cast(to, from, args.n, {}, stream);
  }
  if (!cublas_.multiply_with(cuda::LtEpilogue::kBias, product, queue_of(stream), stream,
                             workspaces())) {
    return false;
  }
  if (kept) {
    namp_activation_args activation{};
    activation.struct_size = sizeof(activation);
    activation.activation = args.activation;
    activation.dtype = args.c_dtype;
    activation.count = args.m * args.n;
    activation.input = args.pre_activation;
    activation.output = args.c;
    activation_forward(activation, stream);
    return true;
  }
  cuda::GemmArgs rest = gemm;
  rest.call.bias = nullptr;
  if (is_followed(rest.call))
    launch(cuda::kGemmEpilogue, cuda::result_pack_blocks(args), rest, stream);
  return true;
}

bool CudaBackend::multiply_by_cublas(const cuda::GemmArgs& gemm, namp_stream stream) {
  const namp_gemm_args& args = gemm.call;
  // What is multiplied by 0 is not read. cuBLASLt 13 reads it: of an infinity or a NaN it made a NaN.
  if (args.alpha == 0.0f || args.k == 0 || !cublas_.is_there(workspaces())) return false;
  const cuda::Stream queue = queue_of(stream);
  const bool has_light = cublas_.has_light(workspaces());
  if (args.row_sums != nullptr) {
    if (has_light && args.activation_kept == nullptr && !is_followed(args) &&
        cublas_.multiply_with(cuda::LtEpilogue::kRowSums, args, queue, stream, workspaces())) {
      return true;
    }
    sum(row_sums_of(args), stream);
  }
  if (has_light && capability_ >= cuda::kFusedGeluCapability) {
    const auto epilogue = gelu_epilogue(gemm);
    if (epilogue && cublas_.multiply_with(*epilogue, args, queue, stream, workspaces()))
      return true;
  }
  if (has_light && is_with_bias(gemm) && multiply_with_bias(gemm, stream)) return true;
  const int64_t pack_blocks = cuda::result_pack_blocks(args);
  if (rounds_on_the_way(args)) {
    // cuBLAS leaves the product in float32, and the epilogue does the rest.
    const int64_t elements = (args.batch > 0 ? args.batch : 1) * args.m * args.n;
    auto* wide =
        static_cast<float*>(workspace(elements * static_cast<int64_t>(sizeof(float)), stream));
    namp_gemm_args product = args;
    product.c = wide;
    product.c_dtype = NAMP_FLOAT32;
    product.ldc = args.n;
    product.stride_c = args.m * args.n;
    if (!cublas_.multiply(product, 0.0f, queue, stream, workspaces())) return false;
    launch(cuda::kGemmEpilogue, pack_blocks, {args, gemm.bias_by_row, wide}, stream);
    return true;
  }
  cuda::GemmArgs rest = gemm;  // what cuBLAS leaves to do
  const bool starts_from_bias = args.bias != nullptr && args.beta == 0.0f;
  if (starts_from_bias) {
    // Most of cuBLAS's kernels then round once, bias and all. Some round the product first, and again
    // with the bias: seen on an H100, of 8 x 136 x 104.
    launch(cuda::kGemmBias, pack_blocks, gemm, stream);
    rest.call.bias = nullptr;
  }
  if (!cublas_.multiply(args, starts_from_bias ? 1.0f : args.beta, queue, stream, workspaces()))
    return false;
  if (is_followed(rest.call)) launch(cuda::kGemmEpilogue, pack_blocks, rest, stream);
  return true;
}

}  // namespace namp
