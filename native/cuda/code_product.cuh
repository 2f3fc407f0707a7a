// Products of float rows and weights in codes of 4 or 8 bits. Every element has sixteen sums, one for
// each lane of half a warp, in the CPU's order (cpu/code_gemm.cpp): a lane has two codes of each step of
// 32 along k. So the bits are the CPU's, for any number of rows.
//
// A block goes over k in slices. The rows of A become float32 in shared memory, which all its warps
// read; each warp brings the codes of its own columns there, 16 bytes in a load, those of the next slice
// while it multiplies this one.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/code_kernels.h"
#include "cuda/product_loaders.cuh"
#include "cuda/view.cuh"

namespace namp::cuda {

inline constexpr int kCodeStep = 32;   // of k
inline constexpr int kCodeLanes = 16;  // of a column

// A byte as a float is in the last places of 2^23.
NAMP_DEVICE float byte_to_float(uint32_t byte) { return from_bits(0x4b000000u | byte); }
inline constexpr float kByteUnits = 8388608.0f;

// Signed bytes in their order; the column's scale multiplies the sum.
struct Int8Codes {
  static constexpr int kStepBytes = kCodeStep;
  static constexpr bool kHasGroups = false;
  static constexpr uint32_t kFlip = 0x80808080u;  // of a word: makes its bytes unsigned

  // Where a lane's two elements of A are in a step, and its codes.
  NAMP_DEVICE static int first(int lane) { return lane; }
  NAMP_DEVICE static int second(int lane) { return kCodeLanes + lane; }
  struct Weights {
    float first;
    float second;
  };
  NAMP_DEVICE static Weights decode(const uint8_t* step, int lane, float) {
    return {byte_to_float(step[lane]) - (kByteUnits + 128.0f),
            byte_to_float(step[kCodeLanes + lane]) - (kByteUnits + 128.0f)};
  }
};

// Two codes a byte; a weight is a code's level times the scale of its group.
struct Int4Codes {
  static constexpr int kStepBytes = kCodeStep / 2;
  static constexpr bool kHasGroups = true;
  static constexpr uint32_t kFlip = 0;

  NAMP_DEVICE static int first(int lane) { return 2 * lane; }
  NAMP_DEVICE static int second(int lane) { return 2 * lane + 1; }
  using Weights = Int8Codes::Weights;
  NAMP_DEVICE static Weights decode(const uint8_t* step, int lane, float scale) {
    const uint32_t pair = step[lane];
    return {(byte_to_float(pair & 15u) - (kByteUnits + 8.0f)) * scale,
            (byte_to_float(pair >> 4) - (kByteUnits + 8.0f)) * scale};
  }
};

// kRows rows, and kColumns columns of each half of a warp; kSlice of k.
template <class Codes, int kRows, int kColumns, int kDepth>
class CodeProduct {
 public:
  static constexpr int kWarps = kCodeThreads / kWarp;
  static constexpr int kWarpColumns = 2 * kColumns;
  static constexpr int kBlockColumns = kWarps * kWarpColumns;

  // Of a column's codes of a slice; 16 more keep those of a warp's halves in different banks.
  static constexpr int kColumnBytes = kDepth / kCodeStep * Codes::kStepBytes;
  static constexpr int kPitch = kColumnBytes + 16;
  static constexpr int kColumnWords = kColumnBytes / 16;
  static constexpr int kLaneWords = kColumns * kColumnWords / kCodeLanes;
  static_assert(kLaneWords * kCodeLanes == kColumns * kColumnWords);

  struct Memory {
    alignas(16) float a[kRows][kDepth];
    alignas(16) uint8_t codes[kWarps][kWarpColumns * kPitch];
  };

  NAMP_DEVICE static void run(const namp_code_gemm_args& args, Memory& memory) {
    const int64_t across = blocks(args.n, kBlockColumns);
    const int64_t tasks = across * blocks(args.m, kRows);
    for (int64_t task = block_index(); task < tasks; task += block_count()) {
      CodeProduct product(args, task / across * kRows, task % across * kBlockColumns);
      product.multiply(memory);
      product.write();
    }
  }

 private:
  NAMP_DEVICE CodeProduct(const namp_code_gemm_args& args, int64_t row, int64_t block_column)
      : args_(args), row_(row) {
    const int thread = thread_index();
    lane_ = thread % kCodeLanes;
    half_ = thread % kWarp / kCodeLanes;
    warp_ = thread / kWarp;
    column_ = block_column + (warp_ * 2 + half_) * kColumns;
    groups_ = Codes::kHasGroups ? blocks(args.k, args.group) : 1;
    group_steps_ = args.group <= 32 ? 0 : args.group == 64 ? 1 : args.group == 128 ? 2 : 3;
    row_bytes_ = Codes::kHasGroups ? groups_ * args.group / 2 : args.k;
    aligned_ = (reinterpret_cast<uintptr_t>(args.codes) | static_cast<uintptr_t>(row_bytes_)) %
                   sizeof(Words) ==
               0;
  }

  NAMP_DEVICE int64_t column_there(int c) const {
    return column_ + c < args_.n ? column_ + c : args_.n - 1;
  }

  // This lane's words of its half's columns, of the slice that begins at k.
  NAMP_DEVICE void load(int64_t k) {
    const int64_t begin = k / kCodeStep * Codes::kStepBytes;
#pragma unroll
    for (int i = 0; i < kLaneWords; ++i) {
      const int index = i * kCodeLanes + lane_;
      const int64_t at = begin + index % kColumnWords * 16;
      const int64_t left = row_bytes_ - at;
      const int bytes = left < 0 ? 0 : left < 16 ? static_cast<int>(left) : 16;
      const uint8_t* from = args_.codes + column_there(index / kColumnWords) * row_bytes_ + at;
      held_[i] = aligned_ ? load_elements<true>(from, bytes) : load_elements<false>(from, bytes);
    }
  }
  NAMP_DEVICE void land(uint8_t* codes) const {
#pragma unroll
    for (int i = 0; i < kLaneWords; ++i) {
      const int index = i * kCodeLanes + lane_;
      Words words = held_[i];
      words.x ^= Codes::kFlip;
      words.y ^= Codes::kFlip;
      words.z ^= Codes::kFlip;
      words.w ^= Codes::kFlip;
      store_shared_words(shared_address(codes + index / kColumnWords * kPitch) +
                             static_cast<uint32_t>(index % kColumnWords * 16),
                         words);
    }
  }

  // Of the rows of A, from k on; zeros behind them.
  NAMP_DEVICE void load_rows(int64_t k, Memory& memory) const {
    with_element(args_.a_dtype, [&](auto element) {
      using T = typename decltype(element)::Type;
      const T* a = static_cast<const T*>(args_.a);
      for (int i = thread_index() * kPack; i < kRows * kDepth; i += kCodeThreads * kPack) {
        const int r = i / kDepth;
        const int64_t at = k + i % kDepth;
        const Prefix part(row_ + r < args_.m ? args_.k - at : 0);
        const Pack<kPack> x = cuda::load(a + (row_ + r) * args_.k + at, part);
        // Of eight threads that write at a time, four begin with their second half: else two would
        // meet in a bank.
        const bool swapped = thread_index() / 4 % 2 != 0;
        float one[4];
        float other[4];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          one[j] = select(swapped, x.at[j + 4], x.at[j]);
          other[j] = select(swapped, x.at[j], x.at[j + 4]);
        }
        const uint32_t to = shared_address(&memory.a[r][i % kDepth]);
        store_shared_floats(to + (swapped ? 16 : 0), one);
        store_shared_floats(to + (swapped ? 0 : 16), other);
      }
    });
  }

  NAMP_DEVICE void multiply(Memory& memory) {
    uint8_t* const codes = memory.codes[warp_] + half_ * kColumns * kPitch;
    const float* of_column[kColumns];
#pragma unroll
    for (int c = 0; c < kColumns; ++c)
      of_column[c] = args_.scales + column_there(c) * groups_;
    load(0);
    for (int64_t k = 0; k < args_.k; k += kDepth) {
      barrier();  // the slice before has been read
      load_rows(k, memory);
      land(codes);
      barrier();
      if (k + kDepth < args_.k) load(k + kDepth);
      // Steps of which a part is there count as whole ones.
      const int64_t left = blocks(args_.k - k, kCodeStep);
      const int steps = left < kDepth / kCodeStep ? static_cast<int>(left) : kDepth / kCodeStep;
      // A slice begins with a group.
      const int mask = (1 << group_steps_) - 1;
      int64_t group = k / kCodeStep >> group_steps_;
      float scales[kColumns];
#pragma unroll
      for (float& scale : scales)
        scale = 1.0f;
#pragma unroll 2
      for (int step = 0; step < steps; ++step) {
        if (Codes::kHasGroups && (step & mask) == 0) {
#pragma unroll
          for (int c = 0; c < kColumns; ++c)
            scales[c] = cuda::load(of_column[c] + group);
          ++group;
        }
        multiply_step(memory, codes, step, scales);
      }
    }
  }

  NAMP_DEVICE void multiply_step(const Memory& memory, const uint8_t* codes, int step,
                                 const float (&scales)[kColumns]) {
    typename Codes::Weights weights[kColumns];
#pragma unroll
    for (int c = 0; c < kColumns; ++c)
      weights[c] = Codes::decode(codes + c * kPitch + step * Codes::kStepBytes, lane_, scales[c]);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float* a = memory.a[r] + step * kCodeStep;
      const float first = a[Codes::first(lane_)];
      const float second = a[Codes::second(lane_)];
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        sums_[r][c] = multiply_add(first, weights[c].first, sums_[r][c]);
        sums_[r][c] = multiply_add(second, weights[c].second, sums_[r][c]);
      }
    }
  }

  // Sixteen sums become one: i with i + 8, then with i + 4, i + 2 and i + 1. An element for each lane.
  NAMP_DEVICE void write() const {
    static_assert(kRows * kColumns <= 2 * kCodeLanes);
    constexpr int kEach = (kRows * kColumns + kCodeLanes - 1) / kCodeLanes;
    float mine[kEach] = {};
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        float sum = sums_[r][c];
#pragma unroll
        for (int mask = kCodeLanes / 2; mask > 0; mask /= 2)
          sum += exchange(sum, mask);
        const int element = r * kColumns + c;
        if (lane_ == element % kCodeLanes) mine[element / kCodeLanes] = sum;
      }
    }
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int element = i * kCodeLanes + lane_;
      const int64_t row = row_ + element / kColumns;
      const int64_t column = column_ + element % kColumns;
      if (element >= kRows * kColumns || row >= args_.m || column >= args_.n) continue;
      float x = mine[i];
      if (!Codes::kHasGroups) x *= cuda::load(args_.scales + column);
      if (args_.bias != nullptr) x += cuda::load(args_.bias + column);
      store_as(same_nan(x, 0.0f), args_.c, args_.c_dtype, row * args_.n + column);
    }
  }

  const namp_code_gemm_args& args_;
  int64_t row_;
  int lane_;
  int half_;
  int warp_;
  int64_t column_;     // the half's first
  int64_t groups_;     // scales of a column
  int group_steps_;    // of a group, a power of two
  int64_t row_bytes_;  // codes of a column
  bool aligned_;
  Words held_[kLaneWords];
  float sums_[kRows][kColumns] = {};
};

}  // namespace namp::cuda
