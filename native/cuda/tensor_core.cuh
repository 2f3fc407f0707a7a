// Matrix products of a warp on tensor cores: D = A B + D with A [16, 16] and B [16, 8] of float16, or
// from compute capability 8.0 on of bfloat16, and D [16, 8] of float32 (PTX ISA, mma.m16n8k16; on 7.5
// two of m16n8k8). Tiles of attention lie in shared memory, a row after the other; each row is
// followed by 16 bytes that keep the eight rows that ldmatrix reads at once in different banks.
//
// A lane's part, with group = lane / 4 and pair = lane % 4 * 2: of D its rows group and group + 8,
// columns pair and pair + 1; of A the same rows, columns pair, pair + 1, pair + 8, pair + 9; of B
// the rows pair, pair + 1, pair + 8, pair + 9 of column group. So two tiles of D side by side,
// rounded, are an A: a product can be multiplied again without a move.
#pragma once

#include "cuda/platform.cuh"

#include "cuda/kernels.h"
#include "cuda/reduce.cuh"
#include "cuda/unrolled.cuh"
#include "formulas/lane.h"

namespace namp::cuda {

inline constexpr int kRowsOfA = 16;      // rows of a warp
inline constexpr int kDepth = 16;        // columns of A, rows of B
inline constexpr int kWordElements = 8;  // in 16 bytes

// Two elements in a word, the first in the lower half.
struct Float16Pair {
  NAMP_DEVICE static uint32_t pack(float first, float second) {
#if __CUDA_ARCH__ >= 800
    uint32_t both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
#else
    return convert_to_float16(first) | uint32_t{convert_to_float16(second)} << 16;
#endif
  }
  NAMP_DEVICE static float first(uint32_t both) {
    return convert_from_float16(static_cast<uint16_t>(both));
  }
  NAMP_DEVICE static float second(uint32_t both) {
    return convert_from_float16(static_cast<uint16_t>(both >> 16));
  }
  NAMP_DEVICE static void multiply_add(float* d, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    multiply_add_half(d, a[0], a[1], b0);
    multiply_add_half(d, a[2], a[3], b1);
#endif
  }

 private:
  // Of 8 of the 16 columns of A, as 7.5 has it.
  NAMP_DEVICE static void multiply_add_half(float* d, uint32_t a0, uint32_t a1, uint32_t b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a0), "r"(a1), "r"(b));
  }
};
struct BFloat16Pair {
  NAMP_DEVICE static uint32_t pack(float first, float second) {
    uint32_t both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
  }
  NAMP_DEVICE static float first(uint32_t both) { return from_bits(both << 16); }
  NAMP_DEVICE static float second(uint32_t both) { return from_bits(both & 0xffff0000u); }
  NAMP_DEVICE static void multiply_add(float* d, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
};

// Four bytes in a word, with sums of 32 bits: a lane has of A and B twice as many columns or rows as
// of float16, four where the others have two (mma.m16n8k32; on 7.5 four of m8n8k16).
struct Int8Four {
  NAMP_DEVICE static void multiply_add(int32_t* d, const uint32_t (&a)[4], uint32_t b0,
                                       uint32_t b1) {
#if __CUDA_ARCH__ >= 800
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
    multiply_add_quarter(d, a[0], b0);
    multiply_add_quarter(d + 2, a[1], b0);
    multiply_add_quarter(d, a[2], b1);
    multiply_add_quarter(d + 2, a[3], b1);
#endif
  }

 private:
  // Of 8 rows and 16 of the 32 columns of A.
  NAMP_DEVICE static void multiply_add_quarter(int32_t* d, uint32_t a, uint32_t b) {
    asm("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
        : "+r"(d[0]), "+r"(d[1])
        : "r"(a), "r"(b));
  }
};

// sum + the four products of a's and b's signed bytes.
NAMP_DEVICE int32_t add_byte_products(uint32_t a, uint32_t b, int32_t sum) {
  int32_t result;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  return result;
}
NAMP_DEVICE int32_t add_byte_products(const Words& a, const Words& b, int32_t sum) {
  sum = add_byte_products(a.x, b.x, sum);
  sum = add_byte_products(a.y, b.y, sum);
  sum = add_byte_products(a.z, b.z, sum);
  return add_byte_products(a.w, b.w, sum);
}
// Four of the eight bytes of low and high, whose numbers are the digits of order, the last one first.
NAMP_DEVICE uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t order) {
  uint32_t result;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(low), "r"(high), "r"(order));
  return result;
}
// sum + the signed bytes.
NAMP_DEVICE int32_t add_bytes(const Words& b, int32_t sum) {
  constexpr uint32_t kOnes = 0x01010101u;
  return add_byte_products(make_words(kOnes, kOnes, kOnes, kOnes), b, sum);
}

// Four matrices of 8 rows of 16 bytes; lane l gives the address of row l % 8 of matrix l / 8, and
// gets of each matrix row l / 4 the elements l % 4 * 2 and the next. kBehind: bytes from there, for which an
// instruction has room; here and below.
template <int kBehind = 0>
NAMP_DEVICE void load_matrices(uint32_t (&x)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4+%5];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(row), "n"(kBehind)
               : "memory");
}
// The same of the transposed matrices.
template <int kBehind = 0>
NAMP_DEVICE void load_matrices_transposed(uint32_t (&x)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4+%5];"
               : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
               : "r"(row), "n"(kBehind)
               : "memory");
}

// Copies 16 bytes to shared memory beside what the thread does, for compute capability 8.0 and later.
template <int kBehind = 0>
NAMP_DEVICE void copy_words(uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0+%2], [%1], 16;" ::"r"(to), "l"(global_address(from)),
               "n"(kBehind)
               : "memory");
}
// The same of `bytes` from global memory, and zeros behind them.
template <int kBehind = 0>
NAMP_DEVICE void copy_words(uint32_t to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0+%3], [%1], 16, %2;" ::"r"(to),
               "l"(global_address(from)), "r"(bytes), "n"(kBehind)
               : "memory");
}
// The same of 4 bytes, which are zero if they are not there.
NAMP_DEVICE void copy_float(uint32_t to, const float* from, bool there) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(global_address(from)),
               "r"(there ? 4 : 0)
               : "memory");
}
// The thread's copies since the last of these are a group.
NAMP_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits for the thread's groups but the last kLater. For other threads' there is a barrier behind it.
template <int kLater>
NAMP_DEVICE void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kLater) : "memory");
}

// Shared memory by its address.
NAMP_DEVICE void store_shared(uint32_t to, uint16_t x) {
  asm volatile("st.shared.u16 [%0], %1;" ::"r"(to), "h"(x) : "memory");
}
NAMP_DEVICE void store_shared(uint32_t to, uint8_t x) {
  asm volatile("st.shared.u8 [%0], %1;" ::"r"(to), "r"(uint32_t{x}) : "memory");
}
NAMP_DEVICE void store_shared(uint32_t to, uint32_t x) {
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(to), "r"(x) : "memory");
}
NAMP_DEVICE uint32_t load_shared(uint32_t from) {
  uint32_t x;
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(from) : "memory");
  return x;
}
template <int kBehind = 0>
NAMP_DEVICE void store_shared_pair(uint32_t to, float first, float second) {
  asm volatile("st.shared.v2.f32 [%0+%3], {%1, %2};" ::"r"(to), "f"(first), "f"(second),
               "n"(kBehind)
               : "memory");
}
NAMP_DEVICE void store_shared_words(uint32_t to, const Words& words) {
  const uint32_t x = words.x, y = words.y, z = words.z, w = words.w;
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(x), "r"(y), "r"(z), "r"(w)
               : "memory");
}
NAMP_DEVICE Words load_shared_words(uint32_t from) {
  uint32_t x, y, z, w;
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x), "=r"(y), "=r"(z), "=r"(w)
               : "r"(from)
               : "memory");
  return make_words(x, y, z, w);
}
NAMP_DEVICE void store_shared_floats(uint32_t to, const float* four) {
  asm volatile("st.shared.v4.f32 [%0], {%1, %2, %3, %4};" ::"r"(to), "f"(four[0]), "f"(four[1]),
               "f"(four[2]), "f"(four[3])
               : "memory");
}
template <int kBehind = 0>
NAMP_DEVICE uint32_t load_shared_word(uint32_t from) {
  uint32_t x;
  asm volatile("ld.shared.u32 %0, [%1+%2];" : "=r"(x) : "r"(from), "n"(kBehind) : "memory");
  return x;
}
template <int kBehind = 0>
NAMP_DEVICE float load_shared_float(uint32_t from) {
  return from_bits(load_shared_word<kBehind>(from));
}
template <int kBehind = 0>
NAMP_DEVICE void load_shared_floats(float* four, uint32_t from) {
  asm volatile("ld.shared.v4.f32 {%0, %1, %2, %3}, [%4+%5];"
               : "=f"(four[0]), "=f"(four[1]), "=f"(four[2]), "=f"(four[3])
               : "r"(from), "n"(kBehind)
               : "memory");
}

// For this number of threads, those of some of the block's warps; id 1 to 15.
NAMP_DEVICE void some_warps_barrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
// All lanes of the warp: what each wrote to memory before it, all may read behind it.
NAMP_DEVICE void warp_barrier() { asm volatile("bar.warp.sync 0xffffffff;" ::: "memory"); }

// The tile of a matrix in shared memory: kWidthOfPart columns of rows of kWidthOfRow elements.
template <int kWidthOfPart, int kWidthOfRow = kWidthOfPart>
struct SharedTile {
  static constexpr int kWidth = kWidthOfPart;
  static constexpr int kPitch = kWidthOfRow / kWordElements + 1;  // of a row, in 16 bytes
  static constexpr int words(int rows) { return rows * kPitch; }

  uint32_t base;

  NAMP_DEVICE explicit SharedTile(const Words* memory) : base(shared_address(memory)) {}
  // Where a row's word of 8 elements lies.
  NAMP_DEVICE uint32_t at(int row, int word) const { return from(row, word); }
  // Rows row to row + 15 as A; its columns are depth * 16 on.
  NAMP_DEVICE void load_a(uint32_t (&a)[4], int row, int depth, int lane) const {
    load_matrices(a, from(lane % 16 + row, lane / 16) + step(0, depth * 2));
  }
  // Rows column to column + 15 as columns of B, two Bs: the product is with the transposed tile.
  NAMP_DEVICE void load_b_of_rows(uint32_t (&b)[4], int column, int depth, int lane) const {
    load_matrices(b, from(lane % 8 + lane / 16 * 8, lane / 8 % 2) + step(column, depth * 2));
  }
  // Rows depth * 16 on, columns column on, two Bs of 8 columns each: the product is with the tile.
  NAMP_DEVICE void load_b(uint32_t (&b)[4], int depth, int column, int lane) const {
    load_matrices_transposed(b, from(lane % 16, lane / 16) + step(depth * kDepth, column / 8));
  }

 private:
  // The lane's address in one register, and steps that an instruction has room for.
  NAMP_DEVICE uint32_t from(int row, int eighth) const { return base + step(row, eighth); }
  NAMP_DEVICE static uint32_t step(int row, int eighth) {
    return static_cast<uint32_t>((row * kPitch + eighth) * static_cast<int>(sizeof(Words)));
  }
};

// Which row the index-th of kWidth / 8 words is of. Of rows of four words the eight lanes that
// write at a time have two that are four rows apart: neighbours would meet in a bank.
template <int kWidth>
NAMP_DEVICE int row_of_word(int index) {
  constexpr int kWords = kWidth / kWordElements;
  const int row = index / kWords;
  return kWords == 4 ? row / 8 * 8 + row % 8 / 2 + row % 2 * 4 : row;
}

// Copies kRows rows of 16-byte words into a tile; those from rows_left or from words on are zero.
// They are there after commit_copies, a wait and a barrier. What a thread's words have in common in all
// tiles is found once and kept, where it has the same word of some rows: then a copy needs a few additions.
template <int kRows, int kWidth, int kThreads,
          bool kKeeps = kWidth <= 128 && kThreads % (kWidth / kWordElements) == 0>
class TileCopies {
 public:
  // Bytes from row to row; those of a tile are counted in 32 bits.
  NAMP_DEVICE TileCopies(int64_t stride, int words) : stride_(static_cast<uint32_t>(stride)) {
    const int mine = thread_index();
    const int row = row_of_word<kWidth>(mine);
    const int word = mine % kWords;
    to_ = static_cast<uint32_t>((row * SharedTile<kWidth>::kPitch + word) *
                                static_cast<int>(sizeof(Words)));
    from_ = static_cast<uint32_t>(row) * stride_ +
            static_cast<uint32_t>(word * static_cast<int>(sizeof(Words)));
    row_ = word < words ? row : kRows;
  }
  NAMP_DEVICE void start(Words* tile, const void* first, int rows_left) const {
    const uint32_t to = shared_address(tile) + to_;
#pragma unroll
    for (int i = 0; i < kRows / kStep; ++i) {
      const bool there = row_ < rows_left - i * kStep && row_ < kRows;
      copy_words(
          to + static_cast<uint32_t>(i * kStep * SharedTile<kWidth>::kPitch *
                                     static_cast<int>(sizeof(Words))),
          static_cast<const char*>(first) + (from_ + static_cast<uint32_t>(i * kStep) * stride_),
          there ? static_cast<int>(sizeof(Words)) : 0);
    }
  }

 private:
  static constexpr int kWords = kWidth / kWordElements;
  static constexpr int kStep = kThreads / kWords;  // rows from one of a thread's words to its next
  static_assert(kRows % kStep == 0);

  uint32_t stride_;
  uint32_t to_;    // of the first word, in the tile
  uint32_t from_;  // from the first row's first word
  int row_;        // or kRows, where the rows have no such word
};

// Where a thread has other words of other rows, or no registers for what it would keep.
template <int kRows, int kWidth, int kThreads>
class TileCopies<kRows, kWidth, kThreads, false> {
 public:
  NAMP_DEVICE TileCopies(int64_t stride, int words) : stride_(stride), words_(words) {}
  NAMP_DEVICE void start(Words* tile, const void* first, int rows_left) const {
    constexpr int kWords = kWidth / kWordElements;
    const int mine = opaque(thread_index());
    const uint32_t to = shared_address(tile);
#pragma unroll
    for (int i = 0; i < (kRows * kWords + kThreads - 1) / kThreads; ++i) {
      const int index = i * kThreads + mine;
      if (kRows * kWords % kThreads != 0 && index >= kRows * kWords) break;
      const int row = row_of_word<kWidth>(index);
      const int word = index % kWords;
      const bool there = row < rows_left && word < words_;
      copy_words(to + static_cast<uint32_t>((row * SharedTile<kWidth>::kPitch + word) *
                                            static_cast<int>(sizeof(Words))),
                 static_cast<const char*>(first) + row * stride_ + word * 16,
                 there ? static_cast<int>(sizeof(Words)) : 0);
    }
  }

 private:
  int64_t stride_;
  int words_;
};

// D's rows, 16 for each of kParts parts of A and kColumns / 8 tiles side by side, += A times the
// columns from the tile's rows.
template <class Pair, int kColumns, int kParts, class Tile>
NAMP_DEVICE void multiply_by_rows(float* d, const uint32_t (&a)[kParts][4], const Tile& tile,
                                  int depth, int lane) {
#pragma unroll
  for (int n = 0; n < kColumns / 16; ++n) {
    uint32_t b[4];
    tile.load_b_of_rows(b, n * 16, depth, lane);
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      float* const own = d + part * (kColumns / 2) + n * 8;
      Pair::multiply_add(own, a[part], b[0], b[1]);
      Pair::multiply_add(own + 4, a[part], b[2], b[3]);
    }
  }
}

// D's rows, as above, of the tile's columns += the rounded weights times the tile's kColumns rows.
template <class Pair, int kColumns, int kParts, class Tile>
NAMP_DEVICE void multiply_by_columns(float* d, const float* weights, const Tile& tile, int lane) {
  constexpr int kWidth = Tile::kWidth;
#pragma unroll
  for (int depth = 0; depth < kColumns / kDepth; ++depth) {
    uint32_t a[kParts][4];
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const float* const two = weights + part * (kColumns / 2) + depth * 8;
#pragma unroll
      for (int j = 0; j < 4; ++j)
        a[part][j] = Pair::pack(two[j * 2], two[j * 2 + 1]);
    }
#pragma unroll
    for (int n = 0; n < kWidth / 16; ++n) {
      uint32_t b[4];
      tile.load_b(b, depth, n * 16, lane);
#pragma unroll
      for (int part = 0; part < kParts; ++part) {
        float* const own = d + part * (kWidth / 2) + n * 8;
        Pair::multiply_add(own, a[part], b[0], b[1]);
        Pair::multiply_add(own + 4, a[part], b[2], b[3]);
      }
    }
  }
}

}  // namespace namp::cuda
