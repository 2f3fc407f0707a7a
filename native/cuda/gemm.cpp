// Matrix multiplication: cuBLAS where it is there, our own kernels where it is not.
#include <algorithm>

#include "cuda/cuda_backend.h"

namespace namp {
namespace {

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
  cut.row_sums = nullptr;
  return cut;
}

// Of half precision. along_side: whether its rows lie along m or n, which has side elements.
bool is_of_words(const void* data, int64_t ld, int64_t products, int64_t stride, bool along_side,
                 int64_t side, bool fills_words) {
  // A thread counts from a word to its next in 32 bits.
  constexpr int64_t kLongest = INT32_MAX / cuda::kWideTile;
  return cuda::address(data) % 16 == 0 && ld % cuda::kPack == 0 && ld <= kLongest &&
         (products == 1 || stride % cuda::kPack == 0) &&
         (!along_side || side % cuda::kPack == 0 || fills_words);
}

}  // namespace

bool cuda::are_words(const GemmArgs& gemm) {
  const namp_gemm_args& args = gemm.call;
  const int64_t products = std::max<int64_t>(args.batch, 1);
  const bool fills = gemm.fills_words != 0;
  return is_of_words(args.a, args.lda, products, args.stride_a, args.transpose_a != 0, args.m,
                     fills) &&
         is_of_words(args.b, args.ldb, products, args.stride_b, args.transpose_b == 0, args.n,
                     fills);
}

bool cuda::has_plain_result(const namp_gemm_args& args) {
  const int64_t size = dtype_size(args.c_dtype);
  return args.alpha == 1.0f && args.beta == 0.0f && args.bias == nullptr &&
         args.activation == NAMP_ACTIVATION_NONE && args.pre_activation == nullptr &&
         args.activation_kept == nullptr && address(args.c) % 16 == 0 &&
         args.ldc * size % 16 == 0 && (args.batch <= 1 || args.stride_c * size % 16 == 0);
}

void CudaBackend::gemm(const namp_gemm_args& args, namp_stream stream) {
  multiply({args, 0}, stream);
}

void CudaBackend::multiply(const cuda::GemmArgs& gemm, namp_stream stream) {
  if (gemm.call.m == 0 || gemm.call.n == 0) return;
  const cuda::ContextScope scope(context_);
  multiply_by(way_of(gemm, stream), gemm, stream);
}

void CudaBackend::multiply_by(cuda::ProductWay way, const cuda::GemmArgs& gemm,
                              namp_stream stream) {
  if (way == cuda::ProductWay::kLibrary && multiply_padded(gemm, stream)) return;
  if (way != cuda::ProductWay::kOwn && multiply_by_cublas(gemm, stream)) return;
  const namp_gemm_args& args = gemm.call;
  int64_t products = args.batch > 0 ? args.batch : 1;
  const int64_t elements = products * args.m * args.n;
  const auto tiles = [&](int64_t tile) {
    return products * cuda::blocks(args.m, tile) * cuda::blocks(args.n, tile);
  };
  // The kernels for tensor cores count tiles, rows and columns in 32 bits.
  constexpr int64_t kMostSide = INT32_MAX - cuda::kWideTile;
  const cuda::TensorGemms* const gemms =
      tiles(cuda::kNarrowTile) * cuda::kTilesTogether < INT32_MAX && args.m <= kMostSide &&
              args.n <= kMostSide
          ? tensor_gemms(args.a_dtype, capability_)
          : nullptr;
  const int64_t pack_blocks = cuda::result_pack_blocks(args);
  if (args.row_sums != nullptr && (gemms == nullptr || args.alpha == 0.0f)) {
    sum(row_sums_of(args), stream);
    cuda::GemmArgs rest = gemm;
    rest.call.row_sums = nullptr;
    multiply_by(way, rest, stream);
    return;
  }
  // The kernel without tensor cores has no code for a slope.
  cuda::GemmArgs own = gemm;
  if (gemms == nullptr && args.activation_kept != nullptr) {
    own.call.activation_kept = nullptr;
    own.call.activation = NAMP_ACTIVATION_NONE;
  }
  const int64_t parts = gemms == nullptr ? 1 : parts_of_product(args);
  if (parts > 1) {
    // Each part is a product of a batch, dense and in float32.
    own.call = cut_along_k(args, parts);
    own.whole_k = args.k;
    products = own.call.batch;
    const int64_t rows = args.row_sums != nullptr ? args.m : 0;
    auto* sums = static_cast<float*>(
        workspaces().reserve(products * (elements + rows) * static_cast<int64_t>(sizeof(float)),
                             stream, Workspace::User::kSums));
    own.call.c = sums;
    if (rows != 0) own.call.row_sums = sums + products * elements;
  }
  const cuda::GemmKernel* kernel = &cuda::kGemm;
  if (gemms != nullptr) {
    own.are_words = cuda::are_words(own) ? 1 : 0;
    // Large tiles where there are enough of them, and where their edges are not much more work.
    const int64_t area =
        (cuda::kWideTile / cuda::kNarrowTile) * (cuda::kWideTile / cuda::kNarrowTile);
    const bool wide = own.are_words != 0 && tiles(cuda::kWideTile) >= launcher_.multiprocessors() &&
                      tiles(cuda::kWideTile) * area * 2 <= tiles(cuda::kNarrowTile) * 3;
    kernel = &(wide ? gemms->wide : gemms->narrow)[args.transpose_a != 0][args.transpose_b != 0];
  }
  own.is_plain = cuda::has_plain_result(own.call) ? 1 : 0;
  own.tiles = cuda::TileGrid::of(args.m, args.n, kernel->tile, kernel->tile);
  launch(kernel->kernel, tiles(kernel->tile), own, stream);
  if (parts > 1) {
    cuda::GemmArgs all = gemm;
    all.product = static_cast<const float*>(own.call.c);
    all.parts = products;
    all.row_sum_parts = static_cast<const float*>(own.call.row_sums);
    launch(cuda::kGemmEpilogue, pack_blocks, all, stream);
    return;
  }
  if (own.call.activation_kept != args.activation_kept)
    launch(cuda::kGemmEpilogue, pack_blocks, gemm, stream);
}

}  // namespace namp
