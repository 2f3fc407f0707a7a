// Products of 8-bit integers: of few rows, and on tensor cores of compute capability 7.5.
#include "cuda/platform.cuh"

#include "cuda/int8_product.cuh"

namespace namp::cuda {

NAMP_INT8_PRODUCT(sm75_, 128, kWideTileThreads, 1, false)
NAMP_INT8_PRODUCT(sm75_, 64, kNarrowTileThreads, 3, false)

// A warp makes kInt8WarpColumns columns of a product of up to kInt8FewRows rows. The work is reading B,
// sixteen codes of a column in a load.
NAMP_KERNEL(kInt8RowThreads) int8_gemm_rows_kernel(const namp_int8_gemm_args args) {
  constexpr int kRows = kInt8FewRows;
  constexpr int kColumns = kInt8WarpColumns;
  constexpr int kCodes = static_cast<int>(sizeof(Words));  // of a lane in a load
  constexpr int kStep = kWarp * kCodes;
  constexpr int kSteps = 2;  // whose loads are under way at a time
  const auto* a = reinterpret_cast<const uint8_t*>(args.a);
  const auto* b = static_cast<const uint8_t*>(args.b);
  const auto at = [](const void* p) { return reinterpret_cast<uintptr_t>(p); };
  const bool aligned = (at(a) | at(b) | static_cast<uintptr_t>(args.k)) % kCodes == 0;
  for_warp_rows(blocks(args.n, kColumns), [&](int64_t group, int lane) {
    const int64_t first = group * kColumns;
    int32_t sums[kRows][kColumns] = {};
    int32_t sums_of_b[kColumns] = {};
    const auto multiply = [&](auto is_aligned) {
      const auto load_codes = [&](const uint8_t* codes, int64_t row, int64_t i) {
        const int64_t left = args.k - i;
        return load_elements<decltype(is_aligned)::value>(
            codes + row * args.k + i, left < kCodes ? static_cast<int>(left) : kCodes);
      };
      for (int64_t begin = lane * kCodes; begin < args.k; begin += kSteps * kStep) {
        Words of_b[kSteps][kColumns];
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
#pragma unroll
          for (int c = 0; c < kColumns; ++c) {
            // The last column again where there is none.
            const int64_t column = first + c < args.n ? first + c : args.n - 1;
            of_b[step][c] = load_codes(b, column, begin + step * kStep);
          }
        }
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
#pragma unroll
          for (int c = 0; c < kColumns; ++c)
            sums_of_b[c] = add_bytes(of_b[step][c], sums_of_b[c]);
#pragma unroll
          for (int r = 0; r < kRows; ++r) {
            if (r >= args.m) continue;
            const Words of_a = load_codes(a, r, begin + step * kStep);
#pragma unroll
            for (int c = 0; c < kColumns; ++c)
              sums[r][c] = add_byte_products(of_a, of_b[step][c], sums[r][c]);
          }
        }
      }
    };
    if (aligned) {
      multiply(std::true_type());
    } else {
      multiply(std::false_type());
    }
    // An element of C for each of the first lanes.
    int32_t sum = 0;
    int32_t sum_of_b = 0;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int32_t of_column = warp_reduce(sums_of_b[c], Plus());
      if (lane % kColumns == c) sum_of_b = of_column;
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const int32_t total = warp_reduce(sums[r][c], Plus());
        if (lane == r * kColumns + c) sum = total;
      }
    }
    const int64_t row = lane / kColumns;
    const int64_t column = first + lane % kColumns;
    if (row >= args.m || row >= kRows || column >= args.n) return;
    const float x =
        Int8Column(args, column)
            .value(args, sum, int8_correction(args, sum_of_b), int8_row_scale(args, row));
    store_as(x, args.c, args.c_dtype, row * args.n + column);
  });
}

}  // namespace namp::cuda
