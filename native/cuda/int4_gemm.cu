// Products of weights of 4 bits and rows of 8 bits, both with a scale for each group along k.
//
// A warp has some columns of some rows, and goes over k in slices: each lane has 32 codes of every
// column and row, whose sums are exact; lanes of a group add theirs. The sums times the rows' scales go
// to shared memory, and there each element has a lane that adds them up in the order that
// namp_int4_gemm_args says, while the codes of the next slice are on their way.
#include "cuda/platform.cuh"

#include "code_groups.h"
#include "cuda/int4_kernels.h"
#include "cuda/product_loaders.cuh"
#include "cuda/reduce.cuh"
#include "cuda/view.cuh"

namespace namp::cuda {
namespace {

constexpr int kLaneCodes = 32;  // of a column in a slice: one load of 16 bytes
constexpr int kSlice = kWarp * kLaneCodes;
constexpr int kInt4Warps = kInt4Threads / kWarp;

// 32 codes of a row, in the order in which those of a column come out of their halves of bytes: of
// eight, those at even places and then those at odd ones.
struct RowCodes {
  uint32_t even[4];
  uint32_t odd[4];
  int32_t start;  // -8 times their sum

  NAMP_DEVICE RowCodes(const Words& first, const Words& second) : start(0) {
    constexpr uint32_t kMinusEight = 0xf8f8f8f8u;
    const uint32_t words[8] = {first.x,  first.y,  first.z,  first.w,
                               second.x, second.y, second.z, second.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      even[i] = permute_bytes(words[2 * i], words[2 * i + 1], 0x6420);
      odd[i] = permute_bytes(words[2 * i], words[2 * i + 1], 0x7531);
      start = add_byte_products(even[i], kMinusEight, start);
      start = add_byte_products(odd[i], kMinusEight, start);
    }
  }

  NAMP_DEVICE int32_t times(const Words& column) const {
    constexpr uint32_t kLow = 0x0f0f0f0fu;
    const uint32_t pairs[4] = {column.x, column.y, column.z, column.w};
    int32_t sum = start;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      sum = add_byte_products(pairs[i] & kLow, even[i], sum);
      sum = add_byte_products(pairs[i] >> 4 & kLow, odd[i], sum);
    }
    return sum;
  }
};

template <int kRows>
class Int4Product {
 public:
  static constexpr int kColumns = kInt4WarpColumns;
  static constexpr int kElements = kRows * kColumns;
  static_assert(kElements <= kWarp);

  // Of a warp; one more word keeps the lanes that add in different banks.
  struct Memory {
    float terms[kElements][kWarp + 1];
    float scales[kColumns][kWarp + 1];
  };

  NAMP_DEVICE static void run(const namp_int4_gemm_args& args, Memory* memory) {
    const int warp = thread_index() / kWarp;
    const int64_t across = blocks(args.n, kColumns);
    const int64_t tasks = across * blocks(args.m, kRows);
    for (int64_t task = block_index() * kInt4Warps + warp; task < tasks;
         task += block_count() * kInt4Warps) {
      Int4Product product(args, task / across * kRows, task % across * kColumns);
      product.multiply(memory[warp]);
      product.write();
    }
  }

 private:
  NAMP_DEVICE Int4Product(const namp_int4_gemm_args& args, int64_t row, int64_t column)
      : args_(args), row_(row), column_(column), lane_(thread_index() % kWarp) {
    groups_ = code_groups(args.k, args.group);
    row_bytes_ = groups_ * args.group / 2;
    group_lanes_ = static_cast<int>(args.group) / kLaneCodes;
    codes_ = static_cast<const uint8_t*>(args.b);
    scales_ = reinterpret_cast<const float*>(codes_ + args.n * row_bytes_);
    const auto at = [](const void* p) { return reinterpret_cast<uintptr_t>(p); };
    codes_aligned_ = at(codes_) % sizeof(Words) == 0;
    rows_aligned_ = (at(args.a) | static_cast<uintptr_t>(args.k)) % sizeof(Words) == 0;
  }

  NAMP_DEVICE int64_t column_there(int c) const {
    return column_ + c < args_.n ? column_ + c : args_.n - 1;
  }
  NAMP_DEVICE int64_t row_there(int r) const { return row_ + r < args_.m ? row_ + r : args_.m - 1; }

  NAMP_DEVICE static Words some_bytes(bool aligned, const uint8_t* from, int64_t left) {
    const int bytes = left < 0 ? 0 : left < 16 ? static_cast<int>(left) : 16;
    return aligned ? load_elements<true>(from, bytes) : load_elements<false>(from, bytes);
  }

  // This lane's codes of the columns, of the slice that begins at k.
  NAMP_DEVICE void load_columns(int64_t k) {
    const int64_t at = k / 2 + lane_ * 16;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      held_[c] =
          some_bytes(codes_aligned_, codes_ + column_there(c) * row_bytes_ + at, row_bytes_ - at);
    }
  }

  NAMP_DEVICE RowCodes load_row(int r, int64_t k) const {
    const auto* row = reinterpret_cast<const uint8_t*>(args_.a) + row_there(r) * args_.k;
    const int64_t at = k + lane_ * kLaneCodes;
    return RowCodes(some_bytes(rows_aligned_, row + at, args_.k - at),
                    some_bytes(rows_aligned_, row + at + 16, args_.k - at - 16));
  }

  NAMP_DEVICE void multiply(Memory& memory) {
    load_columns(0);
    for (int64_t k = 0; k < args_.k; k += kSlice) {
      Words columns[kColumns];
#pragma unroll
      for (int c = 0; c < kColumns; ++c)
        columns[c] = held_[c];
      if (k + kSlice < args_.k) load_columns(k + kSlice);
      const int64_t group = (k + lane_ * kLaneCodes) / args_.group;
      const bool is_there = group < groups_;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        memory.scales[c][lane_] =
            is_there ? cuda::load(scales_ + column_there(c) * groups_ + group) : 0.0f;
      }
#pragma unroll 1
      for (int r = 0; r < kRows; ++r) {
        const RowCodes codes = load_row(r, k);
        const float row_scale =
            is_there ? cuda::load(args_.a_scales + row_there(r) * groups_ + group) : 0.0f;
#pragma unroll
        for (int c = 0; c < kColumns; ++c) {
          auto sum = static_cast<uint32_t>(codes.times(columns[c]));
          for (int mask = 1; mask < group_lanes_; mask *= 2)
            sum += shuffle_xor(sum, mask);
          memory.terms[r * kColumns + c][lane_] = to_float(sum) * row_scale;
        }
      }
      warp_barrier();
      add_terms(memory, k);
      warp_barrier();
    }
  }

  // The element of this lane goes on by the groups of a slice.
  NAMP_DEVICE void add_terms(const Memory& memory, int64_t k) {
    if (lane_ >= kElements) return;
    const int64_t left = groups_ - k / args_.group;
    const int lanes = left * group_lanes_ < kWarp ? static_cast<int>(left) * group_lanes_ : kWarp;
    for (int lane = 0; lane < lanes; lane += group_lanes_) {
      total_ =
          multiply_add(memory.terms[lane_][lane], memory.scales[lane_ % kColumns][lane], total_);
    }
  }

  NAMP_DEVICE void write() const {
    const int64_t row = row_ + lane_ / kColumns;
    const int64_t column = column_ + lane_ % kColumns;
    if (lane_ >= kElements || row >= args_.m || column >= args_.n) return;
    float x = total_;
    if (args_.bias != nullptr) x += cuda::load(args_.bias + column);
    store_as(same_nan(x, 0.0f), args_.c, args_.c_dtype, row * args_.n + column);
  }

  const namp_int4_gemm_args& args_;
  int64_t row_;
  int64_t column_;
  int lane_;
  int64_t groups_;
  int64_t row_bytes_;  // codes of a column
  int group_lanes_;    // a power of two
  const uint8_t* codes_;
  const float* scales_;
  bool codes_aligned_;
  bool rows_aligned_;
  Words held_[kColumns];
  float total_ = 0.0f;
};

}  // namespace

#define NAMP_INT4_PRODUCT(name, declared)                                        \
  NAMP_KERNEL(kInt4Threads, 3)                                                   \
  int4_gemm_##name##_kernel(NAMP_GRID_CONSTANT const namp_int4_gemm_args args) { \
    using Product = Int4Product<static_cast<int>(declared.rows)>;                \
    __shared__ typename Product::Memory memory[kInt4Warps];                      \
    Product::run(args, memory);                                                  \
  }

NAMP_INT4_PRODUCT(row, kInt4GemmRow)
NAMP_INT4_PRODUCT(rows, kInt4GemmRows)

}  // namespace namp::cuda
