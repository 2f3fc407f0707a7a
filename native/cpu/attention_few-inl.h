// Attention of few queries, as of a token and its key-value cache: each key and value is read once
// for all the heads that share it. Every sum has the order that it has in blocks of queries
// (attention.cpp), so that a query's output has the same bits.
#if defined(NAMP_CPU_ATTENTION_FEW_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef NAMP_CPU_ATTENTION_FEW_INL_H
#undef NAMP_CPU_ATTENTION_FEW_INL_H
#else
#define NAMP_CPU_ATTENTION_FEW_INL_H
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "cpu/attention.h"
#include "cpu/attention_rows-inl.h"
#include "cpu/loop-inl.h"

HWY_BEFORE_NAMESPACE();
namespace namp {
namespace HWY_NAMESPACE {

// The running softmax of one query. scores[0, kAttentionBlock) become exp(score - largest), 0 behind
// the seen ones; returns the factor of earlier sums and outputs.
HWY_INLINE float soften_row(float* scores, int64_t seen, float* running_largest, float* running_sum,
                            bool first) {
  const LaneTag tag;
  const float none = -std::numeric_limits<float>::infinity();
  std::fill(scores + seen, scores + kAttentionBlock, none);
  const Lane before(first ? none : *running_largest);
  auto most = before.raw;
  for (int64_t j = 0; j < kAttentionBlock; j += kLanes)
    most = hn::Max(load(scores + j).raw, most);
  const Lane largest(hn::GetLane(hn::MaxOfLanes(tag, most)));
  for (int64_t j = 0; j < kAttentionBlock; j += kLanes)
    store(exp_of_score(load(scores + j) - largest), scores + j);
  // One after the other, as in a block; weights behind the seen ones are 0.
  float sum = 0.0f;
  for (int64_t j = 0; j < kAttentionBlock; ++j)
    sum += scores[j];
  const float rescale = first ? 0.0f : hn::GetLane(exp_of_score(before - largest).raw);
  *running_largest = hn::GetLane(largest.raw);
  *running_sum = first ? sum : *running_sum * rescale + sum;
  return rescale;
}

// Rows in float32, as wide as tiles read them: where they lie, if they are, else widened to memory.
template <class T>
HWY_INLINE Rows wide_rows(const Rows& memory, const T* in, int64_t stride, int64_t count,
                          int64_t head_dim) {
  if constexpr (std::is_same_v<T, float>) {
    if (head_dim == memory.width) return {const_cast<float*>(in), stride};  // only read
  }
  widen_rows(memory, in, stride, count, head_dim);
  return memory;
}

// The queries of all heads that share the keys of one.
template <class T>
void attend_few_queries(const namp_attention_args& args, const AttentionShape& shape,
                        int64_t key_head_index, float* scratch) {
  const int64_t width = shape.width;
  const int64_t head_dim = shape.head_dim;
  const int64_t rows = shape.group * shape.query_time;
  const int64_t first_head = key_head_index * shape.group;
  const Rows queries{scratch, width};
  const Rows output{queries.row(kAttentionFewQueries), width};
  const Rows scores{output.row(kAttentionFewQueries), kAttentionBlock};
  const Rows keys{scores.row(kAttentionFewQueries), kAttentionBlock};  // transposed
  const Rows wide_values{keys.row(width), width};
  float* const largest = wide_values.row(kAttentionBlock);
  float* const sum = largest + kAttentionFewQueries;
  float* const buffer = sum + kAttentionFewQueries;

  const Lane scale(args.scale);
  for (int64_t row = 0; row < rows; ++row) {
    const HeadOffsets at = offsets_of(args, first_head + row / shape.query_time);
    const T* query = static_cast<const T*>(args.query) + at.query +
                     row % shape.query_time * args.query_time_stride;
    map(
        queries.row(row), head_dim, [=](Lane x) NAMP_LANES { return x * scale; }, query);
  }

  const int64_t stride = args.key_time_stride;
  const int64_t offset = offsets_of(args, first_head).key;
  const T* const all_keys = static_cast<const T*>(args.key) + offset;
  const T* const all_values = static_cast<const T*>(args.value) + offset;
  for (int64_t block = 0; block < shape.key_blocks; ++block) {
    const int64_t first = block * kAttentionBlock;
    const int64_t count = shape.keys_of(block);
    if (block + 1 < shape.key_blocks) {
      for (const T* next : {all_keys, all_values}) {
        prefetch_rows(next + (first + kAttentionBlock) * stride, stride, shape.keys_of(block + 1),
                      head_dim);
      }
    }
    transpose_rows(keys, all_keys + first * stride, stride, count, head_dim, 1.0f, buffer);
    const Rows values =
        wide_rows(wide_values, all_values + first * stride, stride, count, head_dim);
    product(scores, as_is(queries), keys, rows, kAttentionBlock, head_dim, false);
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t seen =
          std::clamp<int64_t>(shape.seen_by(row % shape.query_time) - first, 0, count);
      const Lane rescale(soften_row(scores.row(row), seen, largest + row, sum + row, block == 0));
      if (block == 0) continue;
      map(
          output.row(row), width, [=](Lane x) NAMP_LANES { return x * rescale; }, output.row(row));
    }
    product(output, as_is(scores), values, rows, head_dim, count, block > 0);
  }

  for (int64_t row = 0; row < rows; ++row) {
    const HeadOffsets at = offsets_of(args, first_head + row / shape.query_time);
    T* out =
        static_cast<T*>(args.output) + at.output + row % shape.query_time * args.output_time_stride;
    const Lane share(1.0f / sum[row]);
    map(
        out, head_dim, [=](Lane x) NAMP_LANES { return x * share; }, output.row(row));
  }
  // Heads that share keys follow each other.
  float* const log_sum_exp = args.log_sum_exp + first_head * shape.query_time;
  for_lanes(rows, [=](int64_t i, auto part) NAMP_LANES {
    store(load(largest + i, part) + log(load(sum + i, part)), log_sum_exp + i, part);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace namp
HWY_AFTER_NAMESPACE();

#endif
