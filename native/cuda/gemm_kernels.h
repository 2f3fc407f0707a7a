// The kernels of products: gemm.cu; on tensor cores gemm_float16_sm75.cu, gemm_float16_sm80.cu,
// gemm_bfloat16_sm80.cu, apart so that a driver translates those of one dtype alone.
#pragma once

#include "cuda/divider.h"
#include "cuda/kernels.h"

namespace namp::cuda {

// How a product's tiles follow each other: products, and of each, groups of kTilesTogether rows of tiles;
// of a group a column after the other. Of the last group there may be fewer rows.
inline constexpr int kTilesTogether = 8;
struct TileGrid {
  Divider of_product;  // tiles
  Divider of_group;
  Divider last_rows;
  uint32_t whole_groups;

  // Of C, m x n.
  static constexpr TileGrid of(int64_t m, int64_t n, int64_t tile_rows, int64_t tile_columns) {
    const int64_t rows = blocks(m, tile_rows);
    const int64_t columns = blocks(n, tile_columns);
    const int64_t last = rows % kTilesTogether;
    return {Divider::of(rows * columns), Divider::of(kTilesTogether * columns),
            Divider::of(last > 0 ? last : kTilesTogether),
            static_cast<uint32_t>(rows / kTilesTogether)};
  }
};

struct GemmArgs {
  namp_gemm_args call;
  int32_t bias_by_row;  // 1: one bias for each row (convolution's channels), not for each column
  // For the epilogue: alpha A B in float32, dense [batch, m, n], in parts [parts, batch, m, n] that are to
  // be added; null if it is in C.
  const float* product = nullptr;
  int64_t parts = 1;
  // For tensor cores: the batch is one product in parts along k, call.k of each but the last; else 0.
  int64_t whole_k = 0;
  // For tensor cores: whether A and B are of words (are_words below). wide tiles are for no other.
  int32_t are_words = 0;
  // A's stored rows, and B's, may be read to the end of the last one's last word.
  int32_t fills_words = 0;
  // For the epilogue: the parts' sums of A's rows, [parts, m], to be added to call.row_sums; or null.
  const float* row_sum_parts = nullptr;
  // For tensor cores: whether the sums are C as they are, and all its rows begin at words (has_plain_result).
  int32_t is_plain = 0;
  // For tensor cores: what the tiles of the kernel are.
  TileGrid tiles = {};
};

// A product, and the rows and columns of C that a block makes.
struct GemmKernel {
  Kernel<GemmArgs> kernel;
  int64_t tile;
};

// Any dtype, without tensor cores.
inline constexpr int kGemmThreads = 256;
inline constexpr GemmKernel kGemm{{"gemm", "gemm_kernel", kGemmThreads}, 64};

inline constexpr Kernel<GemmArgs> kGemmBias{"gemm", "gemm_bias_kernel", kElementThreads};
inline constexpr Kernel<GemmArgs> kGemmEpilogue{"gemm", "gemm_epilogue_kernel", kElementThreads};

// What a kernel that goes over C by packs is launched with.
inline int64_t result_pack_blocks(const namp_gemm_args& args) {
  const int64_t products = args.batch > 0 ? args.batch : 1;
  return blocks(products * args.m * blocks(args.n, kPack), kElementThreads);
}

// On tensor cores: by 128 rows and columns for as many blocks as there are multiprocessors, by 64 for
// smaller products. A sum is the same in both.
inline constexpr int kProductDepth = 32;  // of k, that is in shared memory at a time
inline constexpr int kWideTile = 128;
inline constexpr int kWideTileThreads = 256;
inline constexpr int kNarrowTile = 64;
inline constexpr int kNarrowTileThreads = 128;

// Few elements of C from a long k, as in the gradient of a weight, are few tiles for a device: such a
// product is cut along k, and the parts' sums are added in their order. Into how many depends on the
// shape alone, so that the bits do not depend on the device. Chosen by an H100 (docs/h100.md): four
// tiles a multiprocessor are enough, and adding parts of kLeastPart or more of k costs less than it
// gains. tiles: of kWideTile, in all.
inline constexpr int64_t kTilesWanted = 512;
inline constexpr int64_t kLeastPart = 1024;
constexpr int64_t parts_along_k(int64_t tiles, int64_t k, int64_t most) {
  const int64_t wanted = tiles > 0 ? blocks(kTilesWanted, tiles) : 1;
  const int64_t allowed = k / kLeastPart < most ? k / kLeastPart : most;
  return wanted < allowed ? wanted : allowed > 1 ? allowed : 1;
}
// Of k, of each part but the last: whole slices.
constexpr int64_t depth_of_parts(int64_t k, int64_t parts) {
  return blocks(blocks(k, parts), kProductDepth) * kProductDepth;
}

// Whether a product's operands can be read 16 bytes at a time: rows begin there, and where they lie along
// m or n, end there. Else they are read by elements, in narrow tiles.
bool are_words(const GemmArgs& gemm);
// Whether the sums are rounded and written as they are, 16 bytes at a time.
bool has_plain_result(const namp_gemm_args& args);

// By whether A and B are stored transposed.
struct TensorGemms {
  GemmKernel wide[2][2];
  GemmKernel narrow[2][2];
};

// Products in half precision read and write 16 bytes at a time, by cuBLAS as by our own kernels. Where rows
// begin at other places (a vocabulary of 50,257), both fall back to single elements: on an H200 cuBLAS then
// reaches 95 TFLOP/s instead of 500. So a large one is made of copies, whose rows begin at 16 bytes.
struct ProductPadding {
  bool a, b, c;  // what is copied
  int64_t n, k;  // of the product over the copies: rounded up, where zeros fill them up
  bool is_any() const { return a || b || c; }
};
// bytes: of copies that there may be at a time.
ProductPadding padding_of(const namp_gemm_args& args, int64_t bytes);
// A and C are copied by rows of C, in whole tiles. A needs enough of them to fill a device; of C there is a
// quarter of these bytes, so that what is written to its copy is still in the second-level cache when it is read
// again. B is copied whole, or nothing is.
inline constexpr int64_t kPaddedBytes = int64_t{256} << 20;
// NATIVEAMP_PADDED_BYTES, or kPaddedBytes; 0 is no padding.
int64_t padded_bytes_wanted();
// Smaller products are faster than copies. An operand of m x k elements is used by n columns.
inline constexpr int64_t kLeastPaddedSide = 256;
inline constexpr double kLeastPaddedProduct = 0x1p28;  // m n k

// to[i][j] = from[i][j], or zeros where there is no such row or column.
struct PadRowsArgs {
  const uint16_t* from;
  uint16_t* to;
  int64_t from_rows, from_columns, from_ld;
  int64_t to_rows, to_columns, to_ld;
};
inline constexpr int64_t kPadColumns = int64_t{kElementThreads} * kPack;  // of a task
inline constexpr Kernel<PadRowsArgs> kPadRows{"padding", "pad_rows_kernel", kElementThreads};

#define NAMP_WIDE(image, dtype, transposes) \
  { {image, "gemm_" dtype "_" transposes "_128_kernel", kWideTileThreads}, kWideTile }
#define NAMP_NARROW(image, dtype, transposes) \
  { {image, "gemm_" dtype "_" transposes "_64_kernel", kNarrowTileThreads}, kNarrowTile }
#define NAMP_TRANSPOSES(kernel, image, dtype)                   \
  {                                                             \
    {kernel(image, dtype, "nn"), kernel(image, dtype, "nt")}, { \
      kernel(image, dtype, "tn"), kernel(image, dtype, "tt")    \
    }                                                           \
  }
#define NAMP_TENSOR_GEMMS(image, dtype) \
  { NAMP_TRANSPOSES(NAMP_WIDE, image, dtype), NAMP_TRANSPOSES(NAMP_NARROW, image, dtype) }

// For compute capability 7.5, whose tensor cores know no bfloat16, and for 8.0 and later.
inline constexpr TensorGemms kGemmTuringFloat16 =
    NAMP_TENSOR_GEMMS("gemm_float16_sm75", "float16_sm75");
inline constexpr TensorGemms kGemmFloat16 = NAMP_TENSOR_GEMMS("gemm_float16_sm80", "float16");
inline constexpr TensorGemms kGemmBFloat16 = NAMP_TENSOR_GEMMS("gemm_bfloat16_sm80", "bfloat16");

#undef NAMP_WIDE
#undef NAMP_NARROW
#undef NAMP_TRANSPOSES
#undef NAMP_TENSOR_GEMMS

}  // namespace namp::cuda
