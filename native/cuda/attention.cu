// Attention of any dtype by fused multiplications and additions: where tensor cores take less
// precision than float32 has, where there are none, and where memory is not on 16-byte borders.
#include "cuda/platform.cuh"

#include "cuda/attention_passes.cuh"
#include "cuda/attention_kernels.h"
#include "cuda/view.cuh"

namespace namp::cuda {
namespace {

struct Four {
  float x, y, z, w;
};
static_assert(sizeof(Four) == sizeof(Words), "a tile's 16 bytes");

// Tiles are float32, each row followed by 16 bytes that keep eight rows in different banks. A group
// of eight threads has rows group, group + kGroups, ...; of scores a thread has every eighth column,
// of sums four columns of every 32. The weights of a sum come from the group's other threads.
template <int kWidthOfHead, int kBlockThreads, int kRowsOfBlock, int kTileColumns>
struct MultiplyAddEngine {
  static constexpr int kThreads = kBlockThreads;
  static constexpr int kGroup = 8;
  static constexpr int kGroups = kThreads / kGroup;
  static constexpr int kRows = kRowsOfBlock;
  static constexpr int kColumns = kTileColumns;
  static constexpr int kStages = 1;
  static constexpr int kWidth = kWidthOfHead;
  static constexpr int kSlots = kRows / kGroups;
  static constexpr int kEach = kColumns / kGroup;  // scores of a row
  static constexpr int kScores = kSlots * kEach;
  static constexpr int kFours = kWidth / (4 * kGroup);  // of a row's sums
  static constexpr int kSums = kSlots * kFours * 4;
  static constexpr int kPitch = kWidth / 4 + 1;
  static constexpr int tile_words(int rows) { return rows * kPitch; }
  static constexpr int kOwnWords = tile_words(kRows);

  int member = thread_index() % kGroup;
  int group = thread_index() / kGroup;

  NAMP_DEVICE int row(int slot) const { return group + slot * kGroups; }
  NAMP_DEVICE bool leads() const { return member == 0; }
  NAMP_DEVICE static int score_slot(int i) { return i / kEach; }
  NAMP_DEVICE int score_column(int i) const { return i % kEach * kGroup + member; }
  NAMP_DEVICE static int sum_slot(int i) { return i / (kFours * 4); }
  template <class Op>
  NAMP_DEVICE static float reduce(float x, Op op) {
#pragma unroll
    for (int mask = kGroup / 2; mask > 0; mask /= 2)
      x = op(x, exchange(x, mask));
    return x;
  }

  template <int kCount>
  struct Copies {
    const namp_attention_args& call;
    int64_t stride;

    NAMP_DEVICE Copies(const namp_attention_args& args, int64_t stride_of_rows)
        : call(args), stride(stride_of_rows) {}
    NAMP_DEVICE void start(Words* tile, const void* data, int64_t first, int rows_left) const {
      auto* const to = reinterpret_cast<float*>(tile);
      const int mine = opaque(thread_index());
      const int dims = static_cast<int>(call.head_dim);
      with_element(call.dtype, [&](auto element) {
        const auto* from = static_cast<const typename decltype(element)::Type*>(data) + first;
        static_assert(kCount * kWidth % kThreads == 0, "each thread fills as much");
#pragma unroll 4
        for (int i = 0; i < kCount * kWidth / kThreads; ++i) {
          const int index = i * kThreads + mine;
          const int at = index / kWidth;
          const int dim = index % kWidth;
          to[at * kPitch * 4 + dim] =
              at < rows_left && dim < dims ? load(from + at * stride + dim) : 0.0f;
        }
      });
    }
  };

  NAMP_DEVICE static void fill_float(float* to, const float* from, bool there) {
    *to = there ? load(from) : 0.0f;
  }
  NAMP_DEVICE static void await_fills() {}

  struct Rows {
    const Words* own;
    bool is_negated;

    template <class Fill>
    NAMP_DEVICE Rows(const MultiplyAddEngine&, Words* memory, Words*, bool negated, Fill&& fill)
        : own(memory), is_negated(negated) {
      barrier();  // what was in the memory has been read
      fill(memory);
    }
  };

  NAMP_DEVICE static const Four& four(const Words* tile, int row, int index) {
    return reinterpret_cast<const Four*>(tile)[row * kPitch + index];
  }

  NAMP_DEVICE void multiply(float (&scores)[kScores], const Rows& rows, const Words* tile) const {
#pragma unroll
    for (float& score : scores)
      score = 0.0f;
#pragma unroll 1
    for (int index = 0; index < kWidth / 4; ++index) {
      Four right[kEach];
#pragma unroll
      for (int j = 0; j < kEach; ++j)
        right[j] = four(tile, j * kGroup + member, index);
#pragma unroll
      for (int slot = 0; slot < kSlots; ++slot) {
        const Four left = four(rows.own, row(slot), index);
#pragma unroll
        for (int j = 0; j < kEach; ++j) {
          float& score = scores[slot * kEach + j];
          score = multiply_add(left.x, right[j].x, score);
          score = multiply_add(left.y, right[j].y, score);
          score = multiply_add(left.z, right[j].z, score);
          score = multiply_add(left.w, right[j].w, score);
        }
      }
    }
#pragma unroll
    for (float& score : scores)
      score = rows.is_negated ? -score : score;
  }
  NAMP_DEVICE void add_product(float (&sums)[kSums], const float (&weights)[kScores],
                               const Words* tile) const {
    const int first_lane = thread_index() % kWarp / kGroup * kGroup;
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
#pragma unroll 2
      for (int other = 0; other < kGroup; ++other) {
        Four right[kFours];
#pragma unroll
        for (int k = 0; k < kFours; ++k)
          right[k] = four(tile, j * kGroup + other, k * kGroup + member);
#pragma unroll
        for (int slot = 0; slot < kSlots; ++slot) {
          const float weight =
              from_bits(shuffle_from(bits(weights[slot * kEach + j]), first_lane + other));
#pragma unroll
          for (int k = 0; k < kFours; ++k) {
            float* const sum = sums + (slot * kFours + k) * 4;
            sum[0] = multiply_add(weight, right[k].x, sum[0]);
            sum[1] = multiply_add(weight, right[k].y, sum[1]);
            sum[2] = multiply_add(weight, right[k].z, sum[2]);
            sum[3] = multiply_add(weight, right[k].w, sum[3]);
          }
        }
      }
    }
  }

  // Of elements part, part + parts, ... of the row.
  NAMP_DEVICE static float output_product(const namp_attention_args& call, int64_t first, int part,
                                          int parts) {
    float sum = 0.0f;
    for (int64_t dim = part; dim < call.head_dim; dim += parts) {
      sum = multiply_add(load_as(call.output, call.dtype, first + dim),
                         load_as(call.output_gradient, call.dtype, first + dim), sum);
    }
    return sum;
  }

  template <class Part>
  NAMP_DEVICE void store(const float (&sums)[kSums], Words*, const Part& part, void* data,
                         int64_t first, int64_t stride) const {
#pragma unroll
    for (int i = 0; i < kSums; ++i) {
      const int at = part.first + row(sum_slot(i));
      const int dim = i % (kFours * 4) / 4 * (4 * kGroup) + member * 4 + i % 4;
      if (at < part.rows() && dim < part.dims())
        store_as(sums[i], data, part.call.dtype, first + at * stride + dim);
    }
  }
};

}  // namespace

// Rows and columns by what 48 KiB of shared memory hold: forward has one tile of the block's rows,
// backward two.
#define NAMP_ATTENTION(width, threads, rows, columns, rows_backward, columns_backward, blocks)     \
  NAMP_KERNEL(threads, blocks)                                                                     \
  attention_forward_##width##_kernel(NAMP_GRID_CONSTANT const AttentionArgs args) {                \
    attention_forward<MultiplyAddEngine<width, threads, rows, columns>>(args);                     \
  }                                                                                                \
  NAMP_KERNEL(threads, blocks)                                                                     \
  attention_queries_##width##_kernel(NAMP_GRID_CONSTANT const AttentionArgs args) {                \
    attention_query_gradients<MultiplyAddEngine<width, threads, rows_backward, columns_backward>>( \
        args);                                                                                     \
  }                                                                                                \
  NAMP_KERNEL(threads, blocks)                                                                     \
  attention_keys_##width##_kernel(NAMP_GRID_CONSTANT const AttentionArgs args) {                   \
    attention_key_gradients<MultiplyAddEngine<width, threads, rows_backward, columns_backward>>(   \
        args);                                                                                     \
  }

NAMP_FOR_EACH_ATTENTION(NAMP_ATTENTION)

}  // namespace namp::cuda
